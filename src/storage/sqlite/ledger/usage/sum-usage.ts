import type { UsageQuery, UsageRow } from '../../../../ledger/ledger.ts'
import { createUsageSum, type UsageSum } from '../../../../ledger/query/usage.ts'
import { addCounts } from '../../../../ledger/query/usage-counts.ts'
import { type UsageWidth, usageWidths } from '../../../ledger/usage-cells.ts'
import { forUsageEntries } from '../../../ledger/usage-entries.ts'
import { groupsMax, UsageGroups } from '../../../ledger/usage-groups.ts'
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

interface Span {
  readonly since: number
  readonly until: number
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
  const { parts, hours, days } = divide(query)
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

/** Divides a span into whole days, whole hours beside them, and parts of hours at its ends. */
function divide({ since = 0, until = Number.MAX_SAFE_INTEGER }: UsageQuery): {
  readonly parts: readonly Span[]
  readonly hours: readonly Span[]
  readonly days: readonly Span[]
} {
  const from = Math.max(since, 0)
  if (from >= until) return { parts: [], hours: [], days: [] }
  const [begin, end] = wholeOf({ since: from, until }, hourMs)
  if (begin > end) return { parts: [{ since: from, until }], hours: [], days: [] }
  const parts = [
    { since: from, until: begin },
    { since: end, until },
  ].filter((part) => part.since < part.until)
  const [firstDay, lastDay] = wholeOf({ since: begin, until: end }, dayMs)
  if (firstDay > lastDay) return { parts, hours: [{ since: begin, until: end }], days: [] }
  const hours = [
    { since: begin, until: firstDay },
    { since: lastDay, until: end },
  ]
  return { parts, hours, days: [{ since: firstDay, until: lastDay }] }
}

/** The whole hours or days of a span; one without an end has none here. */
function wholeOf({ since, until }: Span, width: UsageWidth): readonly [begin: number, end: number] {
  const isEndless = until === Number.MAX_SAFE_INTEGER
  return [Math.ceil(since / width) * width, isEndless ? until : Math.floor(until / width) * width]
}

function addRecords(blocks: BlockSource, { query, first, last }: RecordRange, sum: UsageSum): void {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY, keyId, owner } = query
  let groups = new UsageGroups()
  for (const { id, body } of blocks.find(query, 'oldest', first, last)) {
    forUsageEntries(body, (entry) => {
      const isInSpan = entry.at >= since && entry.at < until
      const isOfAsked = (keyId ?? entry.keyId) === entry.keyId && (owner ?? entry.owner) === entry.owner
      if (isInSpan && isOfAsked) groups.add(entry, id)
    })
    if (groups.all.length < groupsMax) continue
    addGroups(groups, sum)
    groups = new UsageGroups()
  }
  addGroups(groups, sum)
}

function addGroups({ all }: UsageGroups, sum: UsageSum): void {
  for (const { subject, counts } of all) addCounts(sum.countsOf(subject), counts)
}
