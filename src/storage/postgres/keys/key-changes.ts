import { Fault } from '../../../core/fault.ts'
import type { ChangeCursor, Changes } from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { Query } from '../postgres.ts'
import { believeCounter, type CounterRow } from './change-counter.ts'

/** More changed keys than this are `all`: dropping a cache is cheaper than reading them. */
const listedMax = 1_000

interface ChangesRow extends CounterRow {
  readonly is_writable: boolean
  readonly has_keys: boolean
  readonly has_imported_keys: boolean
  /** Null where nothing is new. */
  readonly ids: readonly string[] | null
}

/**
 * Reads which keys changed, by themselves or with their owner: one statement, of one moment.
 *
 * @throws Fault `store_unavailable`, also from a server that only reads: it may be behind
 */
export async function readChanges(
  query: Query,
  schema: string,
  rows: BelievedRows,
  since: ChangeCursor | undefined,
): Promise<Changes> {
  const [row] = await query<ChangesRow>(changesStatement(schema), [since ?? null])
  const { latest: cursor } = believeCounter(rows, row)
  if (row?.is_writable !== true)
    throw new Fault('store_unavailable', 'the server is a standby, or only reads: it may be behind')
  return {
    cursor,
    keyIds: changedSince(since ?? cursor, cursor, row.ids ?? []),
    hasKeys: row.has_keys,
    hasImportedKeys: row.has_imported_keys,
  }
}

function changedSince(since: number, cursor: number, ids: readonly string[]): readonly string[] | 'all' {
  // A cursor ahead of the database: an older one was restored.
  return since > cursor || ids.length > listedMax ? 'all' : ids
}

/** An owner may have a million keys: each half has its own limit. */
function changesStatement(schema: string): string {
  return `SELECT number, total, mac,
      NOT (pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean) AS is_writable,
      EXISTS (SELECT 1 FROM (SELECT id FROM ${schema}.keys ORDER BY id LIMIT 1) AS first) AS has_keys,
      EXISTS (
        SELECT 1 FROM (SELECT digest FROM ${schema}.imported_digests ORDER BY digest LIMIT 1) AS first
      ) AS has_imported_keys,
      CASE WHEN number > $1::bigint THEN ARRAY(
        SELECT id FROM (
          SELECT id FROM ${schema}.keys WHERE change > $1::bigint LIMIT ${listedMax + 1}
        ) AS themselves
        UNION
        SELECT id FROM (
          SELECT k.id FROM ${schema}.owners AS o JOIN ${schema}.keys AS k ON k.owner = o.owner
            WHERE o.change > $1::bigint LIMIT ${listedMax + 1}
        ) AS with_their_owner
      ) END AS ids
    FROM ${schema}.changes WHERE id = 1`
}
