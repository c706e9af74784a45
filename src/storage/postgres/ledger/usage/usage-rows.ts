import type { UsageQuery } from '../../../../ledger/ledger.ts'
import type { UsageSum } from '../../../../ledger/query/usage.ts'
import { addCells, type CountCells, type UsageWidth } from '../../../ledger/usage-cells.ts'
import type { Query } from '../../postgres.ts'

/** A row of usage as the driver gives it. */
export interface StoredUsage {
  readonly bucket: number
  readonly key_id: Buffer
  readonly owner: Buffer
  readonly route: Buffer
  readonly model: Buffer
  readonly requests: number
  readonly admitted: number
  readonly operational: number
  readonly last_used_at: number
  readonly refused: string
  readonly measures: string
  readonly latencies: string
}

export const usageColumns =
  'bucket, key_id, owner, route, model, requests, admitted, operational, last_used_at, refused, measures, latencies'

const rowsAtOnce = 256

/** The counts of a row. */
export function cellsOfRow(row: StoredUsage): CountCells {
  const { requests, admitted, operational, last_used_at, refused, measures, latencies } = row
  return [requests, admitted, operational, last_used_at, refused, measures, latencies]
}

/** A text as it is stored: null is empty. */
export function bytesOf(text: string | null): Buffer {
  return Buffer.from(text ?? '')
}

const textOf = (bytes: Buffer): string | null => (bytes.length === 0 ? null : bytes.toString())

/** Adds what is stored of buckets that begin within the query's span, some rows at a time. */
export async function addStoredRows(
  { query, schema }: { readonly query: Query; readonly schema: string },
  width: UsageWidth,
  { since, until, keyId, owner }: UsageQuery & { readonly since: number; readonly until: number },
  sum: Pick<UsageSum, 'countsOf'>,
): Promise<void> {
  if (since >= until) return
  const wanted = [keyId, owner].map((text) => (text === undefined ? null : bytesOf(text)))
  const text = `SELECT ${usageColumns} FROM ${schema}.usage
    WHERE width = $1 AND (bucket, key_id, owner, route, model) > ($2, $5, $6, $7, $8) AND bucket < $9
      AND ($3::bytea IS NULL OR key_id = $3) AND ($4::bytea IS NULL OR owner = $4)
    ORDER BY bucket, key_id, owner, route, model LIMIT ${rowsAtOnce}`
  const none = Buffer.alloc(0)
  let after: readonly unknown[] = [none, none, none, none]
  // No row comes before the first of its bucket: one without any text counts too.
  for (let bucket = since - 1; ; ) {
    const rows = await query<StoredUsage>(text, [width, bucket, ...wanted, ...after, until])
    for (const row of rows) {
      const subject = {
        at: row.bucket,
        keyId: textOf(row.key_id),
        owner: textOf(row.owner),
        route: textOf(row.route),
        model: textOf(row.model),
      }
      addCells(sum.countsOf(subject), cellsOfRow(row))
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsAtOnce) return
    bucket = last.bucket
    after = [last.key_id, last.owner, last.route, last.model]
  }
}
