import type { ChangeCursor, Changes } from '../../../keys/store/key-store.ts'
import type { Connection } from '../connection.ts'
import { readValue, type SqliteDatabase } from '../database.ts'
import type { ChangeCounter } from './change-counter.ts'

/** More changed keys than this are `all`: dropping a cache is cheaper than reading them. */
const listedMax = 1_000

/**
 * SQL: whether there are any, by two trees each: none must look empty because of one bit. The
 * conditions keep SQLite from reading one tree twice.
 */
export const hasKeys =
  "SELECT EXISTS (SELECT 1 FROM keys WHERE place >= 0) OR EXISTS (SELECT 1 FROM keys WHERE id >= '')"
const hasImportedKeys = `SELECT EXISTS (SELECT 1 FROM imported_digests INDEXED BY imported_digests_by_key WHERE key_id >= '')
  OR EXISTS (SELECT 1 FROM imported_digests INDEXED BY imported_digests_again WHERE digest >= x'')`

/** What the database contained when it was last read. */
interface Seen {
  /** `PRAGMA data_version`: another number after every commit of another connection. */
  readonly dataVersion: number
  readonly cursor: ChangeCursor
  readonly hasImportedKeys: boolean
  readonly hasKeys: boolean
}

/** Reads which keys changed, by themselves or with their owner. */
export interface ChangeReader {
  /** @throws Fault `store_unavailable` */
  readonly read: (since: ChangeCursor | undefined) => Changes
  /** Call after every write of this connection, which `data_version` does not count. */
  readonly forget: () => void
}

export function createChangeReader(
  connection: Connection,
  database: SqliteDatabase,
  counter: Pick<ChangeCounter, 'read'>,
): ChangeReader {
  const findDataVersion = database.prepare<{ data_version: number }>('PRAGMA data_version')
  const selectIds = database.prepare<{ id: string }>(
    // Node 22.19 cannot bind a numbered parameter twice. Each half has its own limit: an owner may
    // have a million keys.
    `SELECT id FROM (SELECT id FROM keys WHERE change > ? AND change <= ? LIMIT ${listedMax + 1})
      UNION
      SELECT id FROM (
        SELECT keys.id FROM owners JOIN keys USING (owner)
          WHERE owners.change > ? AND owners.change <= ? LIMIT ${listedMax + 1}
      )`,
  )
  let seen: Seen | undefined

  function readState(): Seen {
    // The version first: a commit in between is then seen twice rather than missed.
    const dataVersion = findDataVersion.get()?.data_version ?? Number.NaN
    if (seen?.dataVersion !== dataVersion) {
      seen = {
        dataVersion,
        cursor: counter.read().latest,
        hasKeys: readValue(database, hasKeys) === 1,
        hasImportedKeys: readValue(database, hasImportedKeys) === 1,
      }
    }
    return seen
  }

  function idsBetween(since: ChangeCursor, until: ChangeCursor): readonly string[] | 'all' {
    if (since === until) return []
    // A cursor ahead of the database: an older file has replaced it.
    if (since > until) return 'all'
    const rows = selectIds.all(since, until, since, until)
    return rows.length > listedMax ? 'all' : rows.map((row) => row.id)
  }

  return {
    read: (since) => {
      connection.settle()
      return connection.read(() => {
        const { cursor, hasImportedKeys, hasKeys } = readState()
        return { cursor, keyIds: idsBetween(since ?? cursor, cursor), hasImportedKeys, hasKeys }
      })
    },
    forget: () => {
      seen = undefined
    },
  }
}
