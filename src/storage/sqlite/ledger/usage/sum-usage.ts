import type { UsageQuery, UsageRow } from '../../../../ledger/ledger.ts'
import { createUsageSum, type UsageSum } from '../../../../ledger/query/usage.ts'
import { addCounts } from '../../../../ledger/query/usage-counts.ts'
import type { SqliteDatabase } from '../../database.ts'
import { inTransaction } from '../../transaction.ts'
import type { BlockSource } from '../index/block-source.ts'
import { forUsageEntries, groupsAtOnce, isOf, oldestBlock } from './fill-usage.ts'
import { openUsageDatabaseToRead, readFilled } from './usage-database.ts'
import { UsageGroups } from './usage-groups.ts'
import { addUsage, type UsageWidth, usageWidths } from './usage-table.ts'

const [hourMs, dayMs] = usageWidths

export interface UsageSources {
  /** The ledger's file; its roll-up may lie beside it. */
  readonly file: string
  readonly ledger: SqliteDatabase
  readonly blocks: BlockSource
}

/**
 * Sums up usage: whole days and hours from the roll-up, the parts of hours at both ends of the
 * span, and what is not summed up yet, from the records; each record counts once. An hour whose
 * records are dropped, in part or all, counts as a whole.
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

/** Adds what the roll-up has; gives what is left to be read from records. */
function addStored(
  { file, ledger }: UsageSources,
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
        if (filled.block === 0 || !isOf(ledger, filled)) return all
        const parts = addBuckets(usage, query, oldest, sum)
        const behind = { query, first: Math.max(oldest, filled.block + 1), last: undefined }
        return [...parts, behind]
      },
      'DEFERRED',
    )
  } finally {
    usage.close()
  }
}

function addBuckets(
  usage: SqliteDatabase,
  query: UsageQuery,
  oldest: number,
  sum: UsageSum,
): readonly RecordRange[] {
  const hour = usage.prepare<{ first: number; last: number }>(
    `SELECT first_block AS first, last_block AS last FROM bucket WHERE width = ${hourMs} AND bucket = ?`,
  )
  const addSpan = (width: UsageWidth, span: Span): void => {
    if (span.since < span.until) addUsage(usage, width, { ...query, ...span }, sum.countsOf)
  }
  const ranges: RecordRange[] = []
  const { parts, hours, days } = divide(query)
  for (const span of days) addSpan(dayMs, span)
  for (const span of hours) addSpan(hourMs, span)
  for (const part of parts) {
    const bucket = part.since - (part.since % hourMs)
    const blocks = hour.get(bucket)
    if (blocks === undefined) continue
    if (blocks.first < oldest) addSpan(hourMs, { since: bucket, until: bucket + hourMs })
    else ranges.push({ query: { ...query, ...part }, ...blocks })
  }
  return ranges
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
    if (groups.all.length < groupsAtOnce) continue
    addGroups(groups, sum)
    groups = new UsageGroups()
  }
  addGroups(groups, sum)
}

function addGroups({ all }: UsageGroups, sum: UsageSum): void {
  for (const { subject, counts } of all) addCounts(sum.countsOf(subject), counts)
}
