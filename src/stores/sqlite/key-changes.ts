import type { ChangeCursor, Changes } from '../../core/key-store.ts'
import type { Connection } from './connection.ts'
import { readValue, type SqliteDatabase } from './database.ts'

/** More changed keys than this are told as `all`: dropping a cache is cheaper than reading so many. */
const listedMax = 1_000

/** What the database held when it was last looked at. */
interface Seen {
  /** `PRAGMA data_version`: another number after every commit of another connection. */
  readonly dataVersion: number
  readonly cursor: ChangeCursor
  readonly hasImportedKeys: boolean
  readonly hasKeys: boolean
}

/** Reads which keys changed. */
export interface ChangeReader {
  /** @throws Fault `store_unavailable` */
  readonly read: (since: ChangeCursor | undefined) => Changes
  /** To be called after every write of this connection, which `data_version` does not count. */
  readonly forget: () => void
}

export function createChangeReader(connection: Connection, database: SqliteDatabase): ChangeReader {
  const findDataVersion = database.prepare<{ data_version: number }>('PRAGMA data_version')
  const selectIds = database.prepare<{ id: string }>(
    `SELECT id FROM keys WHERE change > ? AND change <= ? ORDER BY change LIMIT ${listedMax + 1}`,
  )
  let seen: Seen | undefined

  function look(): Seen {
    // The version first: a commit that comes in between is then seen twice, never not at all.
    const dataVersion = findDataVersion.get()?.data_version ?? Number.NaN
    if (seen?.dataVersion !== dataVersion) {
      const cursor = Number(readValue(database, 'SELECT coalesce(max(change), 0) FROM keys'))
      seen = {
        dataVersion,
        cursor,
        hasKeys: cursor > 0,
        hasImportedKeys: readValue(database, 'SELECT EXISTS (SELECT 1 FROM imported_digests)') === 1,
      }
    }
    return seen
  }

  function idsBetween(since: ChangeCursor, until: ChangeCursor): readonly string[] | 'all' {
    if (since === until) return []
    // A cursor ahead of the database: an older one has been put in its place.
    if (since > until) return 'all'
    const rows = selectIds.all(since, until)
    return rows.length > listedMax ? 'all' : rows.map((row) => row.id)
  }

  return {
    read: (since) => {
      return connection.read(() => {
        const { cursor, hasImportedKeys, hasKeys } = look()
        return { cursor, keyIds: idsBetween(since ?? cursor, cursor), hasImportedKeys, hasKeys }
      })
    },
    forget: () => {
      seen = undefined
    },
  }
}
