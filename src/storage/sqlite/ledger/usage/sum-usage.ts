import type { UsageQuery, UsageRow } from '../../../../ledger/ledger.ts'
import { createUsageSum, type UsageSum } from '../../../../ledger/query/usage.ts'
import { createRecordSum, divideSpan, type UsageSpan as Span } from '../../../ledger/sum-records.ts'
import { type UsageWidth, usageWidths } from '../../../ledger/usage-cells.ts'
import type { SqliteDatabase } from '../../database.ts'
import { inTransaction } from '../../transaction.ts'
import type { BlockSource } from '../index/block-source.ts'
import { isOf, oldestBlock } from './fill-usage.ts'
import { addHeld, type HeldRows } from './held-usage.ts'
import { openUsageDatabaseToRead, readFilled } from './usage-database.ts'
import { addUsage } from './usage-table.ts'

const [hourMs, dayMs] = usageWidths

export interface UsageSources {
  /** The ledger's file; its roll-up may lie beside it. */
  readonly file: string
  readonly ledger: SqliteDatabase
  readonly blocks: BlockSource
  /** What this process has summed up and not written, if that is known. */
  readonly held: HeldRows | undefined
}

/**
 * Sums up usage: whole days and hours from the roll-up and from what is held beside it, the parts
 * of hours at both ends of the span, and what is not summed up yet, from the records; each record
 * counts once. An hour whose records are dropped, in part or all, counts as a whole.
 */
export function sumUsage(sources: UsageSources, query: UsageQuery): readonly UsageRow[] {
  for (;;) {
    const sum = createUsageSum(query)
    const oldest = oldestBlock(sources.ledger)
    const ranges = addStored(sources, query, oldest, sum)
    for (const range of ranges) addRecords(sources.blocks, range, sum)
    // Blocks that retention dropped meanwhile are summed up by now.
    const stillOldest = oldestBlock(sources.ledger)
    if (ranges.every(({ first }) => first >= stillOldest)) return sum.rows()
  }
}

/** Records to read: those that match, in blocks from `first` to `last`. */
interface RecordRange {
  readonly query: UsageQuery
  readonly first: number
  /** Undefined: the newest. */
  readonly last: number | undefined
}

/** Adds what the roll-up has, and what is held; gives what is left to be read from records. */
function addStored(
  { file, ledger, held }: UsageSources,
  query: UsageQuery,
  oldest: number,
  sum: UsageSum,
): readonly RecordRange[] {
  const usage = openUsageDatabaseToRead(file)
  const all = [{ query, first: oldest, last: undefined }]
  if (usage === undefined) return all
  try {
    return inTransaction(
      usage,
      () => {
        const filled = readFilled(usage)
        if (!isOf(ledger, filled)) return all
        // Not if it was written meanwhile, by whichever process.
        const fitting = held?.from.block === filled.block && isOf(ledger, held.filled) ? held : undefined
        const parts = addBuckets(usage, fitting, query, oldest, sum)
        const { block } = fitting?.filled ?? filled
        return [...parts, { query, first: Math.max(oldest, block + 1), last: undefined }]
      },
      'DEFERRED',
    )
  } finally {
    usage.close()
  }
}

function addBuckets(
  usage: SqliteDatabase,
  held: HeldRows | undefined,
  query: UsageQuery,
  oldest: number,
  sum: UsageSum,
): readonly RecordRange[] {
  const addSpan = (width: UsageWidth, span: Span): void => {
    if (span.since >= span.until) return
    addUsage(usage, width, { ...query, ...span }, sum.countsOf)
    if (held !== undefined) addHeld(held, span, sum)
  }
  const ranges: RecordRange[] = []
  const { parts, hours, days } = divideSpan(query)
  for (const span of days) addSpan(dayMs, span)
  for (const span of hours) addSpan(hourMs, span)
  for (const part of parts) {
    const bucket = part.since - (part.since % hourMs)
    const blocks = blocksOf(usage, held, bucket)
    if (blocks === undefined) continue
    if (blocks.first < oldest) addSpan(hourMs, { since: bucket, until: bucket + hourMs })
    else ranges.push({ query: { ...query, ...part }, ...blocks })
  }
  return ranges
}

/** The blocks with records of an hour that are summed up. */
function blocksOf(
  usage: SqliteDatabase,
  held: HeldRows | undefined,
  hour: number,
): { readonly first: number; readonly last: number } | undefined {
  const stored = usage
    .prepare<{ first: number; last: number }>(
      `SELECT first_block AS first, last_block AS last FROM bucket WHERE width = ${hourMs} AND bucket = ?`,
    )
    .get(hour)
  const later = held?.hours.get(hour)
  return later === undefined ? stored : { first: stored?.first ?? later.first, last: later.last }
}

function addRecords(blocks: BlockSource, { query, first, last }: RecordRange, sum: UsageSum): void {
  const records = createRecordSum(query, sum)
  for (const { id, body } of blocks.find(query, 'oldest', first, last)) {
    records.add(id, body)
    if (records.isFull()) walk(records.finish())
  }
  walk(records.finish())
}

/** All steps at once: a thread has nothing else to do. */
function walk(steps: Iterable<undefined>): void {
  for (const _ of steps);
}
