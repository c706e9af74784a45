import { groupsMax } from '../../../ledger/usage-groups.ts'
import type { SqliteDatabase } from '../../database.ts'
import { createUsageComparison, type UsageBucket } from './compare-usage.ts'
import { addBlocks, beginUsage, oldestBlock, writeUsage } from './fill-usage.ts'
import type { Filled } from './usage-database.ts'
import type { UsageDifferences } from './usage-differences.ts'

export interface BucketCheck {
  /** The stored roll-up, as it was when it said `filled`. */
  readonly usage: SqliteDatabase
  readonly filled: Filled
  /** Empty; for this check alone. */
  readonly recomputed: SqliteDatabase
  readonly ledger: SqliteDatabase
  readonly isStopped: () => boolean
  readonly differences: UsageDifferences
}

/** More than a server holds, so that rows are written less often: groups are what takes memory. */
const recordsAtOnce = 524_288

const columns = 'width, bucket, first_block AS first, last_block AS last'

/**
 * Compares hour by hour and day by day, each once its last block is summed up; then its rows are
 * forgotten. So the recomputed roll-up has rows of hours and days that are not over yet, or that a
 * clock was set back into. In memory are its cache, what is summed up at once, and the times of
 * the buckets that end there.
 *
 * @returns how many were not compared in full, because retention dropped records of them
 */
export function checkBuckets(options: BucketCheck): number {
  const { usage, recomputed, ledger, filled, isStopped, differences } = options
  const compare = createUsageComparison(usage, recomputed)
  const ending = usage.prepare<UsageBucket>(
    `SELECT ${columns} FROM bucket WHERE last_block > ? AND last_block <= ?`,
  )
  const find = recomputed.prepare<UsageBucket>(`SELECT ${columns} FROM bucket WHERE width = ? AND bucket = ?`)
  const forget = ['usage', 'bucket'].map((table) =>
    recomputed.prepare(`DELETE FROM ${table} WHERE width = ? AND bucket = ?`),
  )
  let partial = 0

  function check(stored: UsageBucket): void {
    const { width, bucket, first, last } = stored
    const tell = (difference: string): void => differences.tell(difference, stored)
    // Now: records that are there are there since before they were summed up.
    const oldest = oldestBlock(ledger)
    const isPartial = first < oldest
    if (first < 1 || last < first || last > filled.block)
      tell(`its records are stored as in blocks ${first} to ${last}, and the sums go up to ${filled.block}`)
    else compare({ stored, recomputed: find.get(width, bucket), oldest, isPartial }, tell)
    if (isPartial) partial += 1
    for (const table of forget) table.run(width, bucket)
  }

  let from = Number.MIN_SAFE_INTEGER
  while (from < Number.MAX_SAFE_INTEGER && !isStopped()) {
    const reached = sumUpMore(options) ?? Number.MAX_SAFE_INTEGER
    for (const bucket of ending.all(from, reached)) check(bucket)
    from = reached
  }
  if (!isStopped()) tellOthers(options)
  return partial
}

/** Sums up the next blocks, and gives the last of them; undefined where there are no more. */
function sumUpMore({ recomputed, ledger, filled, isStopped }: BucketCheck): number | undefined {
  const held = beginUsage(recomputed, ledger)
  const isFull = (): boolean => held.records >= recordsAtOnce || held.groups.all.length >= groupsMax
  while (!isFull() && !isStopped() && addBlocks(held, ledger, filled.block));
  if (held.records === 0) return undefined
  writeUsage(recomputed, held)
  return held.filled.block
}

/** What has no bucket, on either side. */
function tellOthers({ usage, recomputed, differences }: BucketCheck): void {
  for (const bucket of recomputed.prepare<UsageBucket>(`SELECT ${columns} FROM bucket`).all())
    differences.tell('no sums are stored of its records', bucket)
  const next = usage.prepare<Pick<UsageBucket, 'width' | 'bucket'>>(
    'SELECT width, bucket FROM usage WHERE (width, bucket) > (?, ?) ORDER BY width, bucket LIMIT 1',
  )
  const find = usage.prepare<UsageBucket>(`SELECT ${columns} FROM bucket WHERE width = ? AND bucket = ?`)
  const begin = Number.MIN_SAFE_INTEGER
  for (let at = next.get(begin, begin); at !== undefined; at = next.get(at.width, at.bucket))
    if (find.get(at.width, at.bucket) === undefined)
      differences.tell('rows are stored, and not which blocks they are of', { ...at, first: 1 })
  const [ofUsage, ofRecords] = [usage, recomputed].map((database) =>
    database.prepare<{ count: number }>('SELECT count(*) AS count FROM name').get(),
  )
  if (ofUsage?.count !== ofRecords?.count)
    differences.tell('routes or models that the records have are not in its list of names')
}
