import type { UsageQuery } from '../../ledger/ledger.ts'
import type { UsageSum } from '../../ledger/query/usage.ts'
import { addCounts } from '../../ledger/query/usage-counts.ts'
import { type UsageWidth, usageWidths } from './usage-cells.ts'
import { forUsageEntries } from './usage-entries.ts'
import { groupsMax, UsageGroups } from './usage-groups.ts'

const [hourMs, dayMs] = usageWidths

/** Milliseconds since the epoch, the end excluded. */
export interface UsageSpan {
  readonly since: number
  readonly until: number
}

/** Divides a span into whole days, whole hours beside them, and parts of hours at its ends. */
export function divideSpan({
  since = 0,
  until = Number.MAX_SAFE_INTEGER,
}: Pick<UsageQuery, 'since' | 'until'>): {
  readonly parts: readonly UsageSpan[]
  readonly hours: readonly UsageSpan[]
  readonly days: readonly UsageSpan[]
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
function wholeOf({ since, until }: UsageSpan, width: UsageWidth): readonly [begin: number, end: number] {
  const isEndless = until === Number.MAX_SAFE_INTEGER
  return [Math.ceil(since / width) * width, isEndless ? until : Math.floor(until / width) * width]
}

/** Adds the records of blocks that a query asks for to a sum. */
export interface RecordSum {
  /** In the order of ids. Once it is full, `finish` comes first. */
  readonly add: (id: number, body: Uint8Array) => void
  readonly isFull: () => boolean
  /** Adds what it holds, step by step: call behind the last block, and walk to the end. */
  readonly finish: () => Iterable<undefined>
}

/** Groups that are added in one step: a few milliseconds. */
const groupsAtOnce = 512

/** Memory grows with the rows and not with the records. */
export function createRecordSum(query: UsageQuery, sum: UsageSum): RecordSum {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY, keyId, owner } = query
  let groups = new UsageGroups()
  function* finish(): Iterable<undefined> {
    for (const [index, { subject, counts }] of groups.all.entries()) {
      addCounts(sum.countsOf(subject), counts)
      if (index % groupsAtOnce === groupsAtOnce - 1) yield
    }
    groups = new UsageGroups()
  }
  return {
    add(id, body) {
      forUsageEntries(body, (entry) => {
        const isInSpan = entry.at >= since && entry.at < until
        const isOfAsked = (keyId ?? entry.keyId) === entry.keyId && (owner ?? entry.owner) === entry.owner
        if (isInSpan && isOfAsked) groups.add(entry, id)
      })
    },
    isFull: () => groups.all.length >= groupsMax,
    finish,
  }
}
