import { setImmediate as turn } from 'node:timers/promises'
import type { UsageQuery, UsageRow } from '../../../../ledger/ledger.ts'
import { createUsageSum, type UsageSum } from '../../../../ledger/query/usage.ts'
import { createRecordSum, divideSpan, type UsageSpan } from '../../../ledger/sum-records.ts'
import { type UsageWidth, usageWidths } from '../../../ledger/usage-cells.ts'
import type { Postgres, Query } from '../../postgres.ts'
import { findBlocks } from '../block-pages.ts'
import { addStoredRows } from './usage-rows.ts'

const [hourMs, dayMs] = usageWidths

/** Rows that are made between two turns of other work. */
const rowsAtOnce = 256

/**
 * Sums up usage, in one snapshot of the database: whole days and hours from the sums, the parts of
 * hours at both ends of the span and what is not summed up yet from the records; each record counts
 * once. An hour whose records are dropped, in part or all, counts as a whole.
 */
export async function sumUsage(postgres: Postgres, query: UsageQuery): Promise<readonly UsageRow[]> {
  return postgres.transaction(
    (run) => sumIn({ query: run, schema: postgres.schema }, query),
    'ISOLATION LEVEL REPEATABLE READ READ ONLY',
  )
}

interface Snapshot {
  readonly query: Query
  readonly schema: string
}

async function sumIn(snapshot: Snapshot, query: UsageQuery): Promise<readonly UsageRow[]> {
  const sum = createUsageSum(query)
  const { filled, oldest } = await readPlaces(snapshot)
  const { parts, hours, days } = divideSpan(query)
  for (const span of days) await addStoredRows(snapshot, dayMs, { ...query, ...span }, sum)
  for (const span of hours) await addStoredRows(snapshot, hourMs, { ...query, ...span }, sum)
  for (const part of parts) await addPart(snapshot, query, part, oldest, sum)
  await addRecords(snapshot, query, { first: filled + 1, last: Number.MAX_SAFE_INTEGER }, sum)
  const rows: UsageRow[] = []
  for (const row of sum.eachRow()) {
    rows.push(row)
    if (rows.length % rowsAtOnce === 0) await turn()
  }
  return rows
}

/** Up to which block records are summed up, and the first block that there is. */
async function readPlaces({
  query,
  schema,
}: Snapshot): Promise<{ readonly filled: number; readonly oldest: number }> {
  const [found] = await query<{ filled: number; oldest: number }>(
    `SELECT block AS filled, coalesce((SELECT min(id) FROM ${schema}.block), 1) AS oldest FROM ${schema}.usage_filled`,
  )
  return found ?? { filled: 0, oldest: 1 }
}

/** Adds a part of an hour, as far as its records are summed up. */
async function addPart(
  snapshot: Snapshot,
  query: UsageQuery,
  part: UsageSpan,
  oldest: number,
  sum: UsageSum,
): Promise<void> {
  const bucket = part.since - (part.since % hourMs)
  const blocks = await blocksOf(snapshot, hourMs, bucket)
  if (blocks === undefined) return
  if (blocks.first < oldest)
    await addStoredRows(snapshot, hourMs, { ...query, since: bucket, until: bucket + hourMs }, sum)
  else await addRecords(snapshot, { ...query, ...part }, blocks, sum)
}

/** The blocks with records of an hour that are summed up. */
async function blocksOf(
  { query, schema }: Snapshot,
  width: UsageWidth,
  bucket: number,
): Promise<{ readonly first: number; readonly last: number } | undefined> {
  const [found] = await query<{ first: number; last: number }>(
    `SELECT first_block AS first, last_block AS last FROM ${schema}.usage_bucket WHERE width = $1 AND bucket = $2`,
    [width, bucket],
  )
  return found
}

async function addRecords(
  snapshot: Snapshot,
  query: UsageQuery,
  { first, last }: { readonly first: number; readonly last: number },
  sum: UsageSum,
): Promise<void> {
  const records = createRecordSum(query, sum)
  for await (const { id, body } of findBlocks(snapshot, query, { order: 'oldest', first, last })) {
    records.add(id, body)
    if (records.isFull()) for (const _ of records.finish()) await turn()
  }
  for (const _ of records.finish()) await turn()
}
