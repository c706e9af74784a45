import type { CopiedRow, CopiedTable } from '../../copy/copied-tables.ts'
import { type Arriving, readArriving } from '../ledger/arriving.ts'
import type { Postgres } from '../postgres.ts'
import { sentCell } from './copied-rows.ts'
import { createOpenCopy } from './open-copy.ts'

/** A history that comes in behind the nodes that write, the newest block first. */
export interface CopiedHistory {
  /** Says what is to come, before any node writes. Again: says it anew. */
  readonly begin: (toCome: Omit<Arriving, 'lastStream'>) => Promise<void>
  /** Undefined where nothing is to come. */
  readonly arriving: () => Promise<Arriving | undefined>
  /**
   * Adds the blocks right below a front, all or none. Where the front has moved it adds nothing.
   *
   * @param to the new front: the last of these blocks, or 0 without one below
   */
  readonly add: (from: number, to: number, rows: readonly CopiedRow[]) => Promise<void>
}

/** @param block the table of blocks */
export function createCopiedHistory(postgres: Postgres, block: CopiedTable): CopiedHistory {
  const { query, schema } = postgres
  const open = createOpenCopy(postgres)
  const names = block.columns.map(([name]) => name).join(', ')
  const arrays = block.columns.map(([, type], at) => `$${at + 4}::${type}[]`).join(', ')
  // One statement, so that it holds its locks no longer than it works: readers wait for it.
  const add = `WITH moved AS (
      UPDATE ${schema}.arriving SET front = $2, blocks = greatest(0, blocks - $3) WHERE front = $1 RETURNING id
    ) INSERT INTO ${schema}.block (${names}) OVERRIDING SYSTEM VALUE
      SELECT u.* FROM moved, unnest(${arrays}) AS u ON CONFLICT DO NOTHING`
  return {
    async begin({ front, blocks, latestAt }) {
      await open.write(
        `INSERT INTO ${schema}.arriving (id, front, blocks, latest_at, last_stream)
         SELECT 1, $1, $2, $3, (SELECT coalesce(max(number), 0) FROM ${schema}.stream) FROM open_copy
         ON CONFLICT (id) DO UPDATE SET front = excluded.front, blocks = excluded.blocks,
           latest_at = excluded.latest_at, last_stream = excluded.last_stream RETURNING 1`,
        [front, blocks, latestAt],
      )
    },
    arriving: () => readArriving(query, schema),
    async add(from, to, rows) {
      const columns = block.columns.map((_, at) => rows.map((row) => sentCell(row[at] ?? null)))
      await query(add, [from, to, rows.length, ...columns])
    },
  }
}
