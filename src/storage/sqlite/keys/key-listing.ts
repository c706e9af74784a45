import type { KeyRecord } from '../../../keys/record/key-record.ts'
import type { KeyPage, KeyQuery } from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import { type KeyDialect, mayMatchFew, type Place, type Walk, walksOf } from '../../keys/key-query.ts'
import { decodeKey, type KeyCells } from '../../keys/key-row.ts'
import { namingDamaged } from '../../keys/sort-out-rows.ts'
import type { Connection } from '../connection.ts'
import type { SqliteDatabase } from '../database.ts'
import { readBelieved } from './read-believed.ts'

/**
 * Keys read before other work gets its turn. Among a million keys a filter without matches takes
 * seconds, and SQLite runs in the thread that answers requests: 500 keys block it for 5 to 10 ms.
 */
const sliceLength = 500

const dialect: KeyDialect = {
  keys: 'keys',
  hasScope: (scope) => ({
    // The first half is a superset of the second, and spares most rows the parsing.
    sql: 'instr(scopes, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(scopes) WHERE value = ?)',
    values: [JSON.stringify(scope), scope],
  }),
  // lower() folds ASCII alone, and instr() knows no wildcards.
  nameContains: (part) => ({ sql: 'instr(lower(name), lower(?)) > 0', values: [part] }),
}

/**
 * Lists keys. Each slice sees one moment; a key that changes meanwhile may move, as between two
 * pages.
 */
export async function listKeys(
  connection: Connection,
  database: SqliteDatabase,
  rows: BelievedRows,
  query: KeyQuery,
): Promise<KeyPage> {
  const found: KeyRecord[] = []
  const damaged: string[] = []
  // One more than the limit tells whether another page follows.
  const wanted = query.limit + 1
  for (const walk of walksOf(query, dialect)) {
    let start = walk.start
    do {
      const slice = connection.readTogether(() => {
        const end = mayMatchFew(query) ? findEnd(database, walk, start) : undefined
        const { sql, values } = walk.selectKeys(start, end)
        const select = database.prepareCells<KeyCells>(sql)
        const read = readBelieved(
          wanted - found.length,
          (limit) => select.all(...values, limit),
          (cells) => decodeKey(rows, cells),
          (cells) => cells[18],
        )
        return { end, ...read }
      })
      found.push(...slice.records)
      damaged.push(...slice.damaged)
      if (found.length === wanted)
        return { keys: found.slice(0, query.limit), hasMore: true, ...namingDamaged(damaged) }
      start = slice.end
      if (start !== undefined) await new Promise((resolve) => setImmediate(resolve))
    } while (start !== undefined)
  }
  return { keys: found, hasMore: false, ...namingDamaged(damaged) }
}

function findEnd(database: SqliteDatabase, walk: Walk, start: Place | undefined): Place | undefined {
  const { sql, values } = walk.selectEnd(start, sliceLength)
  return database.prepare<{ value: Place['value']; id: string }>(sql).get(...values)
}
