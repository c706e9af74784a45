import type { UsageGroup, UsageQuery, UsageRow } from '../ledger.ts'
import { addEntry, createUsageCounts, type UsageCounts } from './usage-counts.ts'
import type { UsageEntry } from './usage-entry.ts'

/** Whose usage, and when: milliseconds since the epoch. */
export type UsageSubject = Pick<UsageEntry, 'at' | 'keyId' | 'owner' | 'route' | 'model'>

/** Sums up usage, entry by entry, in memory that grows with the rows and not with the entries. */
export interface UsageSum {
  readonly add: (entry: UsageEntry) => void
  /** Where to add what was summed up before, of one subject within one day. */
  readonly countsOf: (subject: UsageSubject) => UsageCounts
  /** In the order of key, owner, route, model, day and month. */
  readonly rows: () => readonly UsageRow[]
  /** The same one by one: many take long. */
  readonly eachRow: () => Iterable<UsageRow>
}

type Fields = Pick<UsageRow, 'keyId' | 'owner' | 'route' | 'model' | 'day' | 'month'>

interface Row extends Fields {
  readonly counts: UsageCounts
}

const dayMs = 86_400_000
/** The last day that has a date (ECMA-262, 21.4.1.1): a forged record may have a later time. */
const lastDay = 100_000_000

/** Begins a sum; what an entry counts for is in `addEntry`. */
export function createUsageSum({ by }: Pick<UsageQuery, 'by'>): UsageSum {
  const rows = new Map<string, Row>()
  const isBy = (group: UsageGroup): boolean => by.includes(group)
  const [isByKey, isByOwner, isByRoute, isByModel] = [
    isBy('key'),
    isBy('owner'),
    isBy('route'),
    isBy('model'),
  ]
  const dateLength = isBy('day') ? 10 : isBy('month') ? 7 : 0
  const dates = new Map<number, string>()

  function dateOf(at: number): string {
    const day = Math.min(Math.floor(at / dayMs), lastDay)
    let date = dates.get(day)
    if (date === undefined) {
      // A year beyond 9999 has a sign and six digits.
      const [whole = ''] = new Date(day * dayMs).toISOString().split('T')
      date = dateLength === 10 ? whole : whole.slice(0, -3)
      dates.set(day, date)
    }
    return date
  }

  function countsOf(subject: UsageSubject): UsageCounts {
    const keyId = isByKey ? subject.keyId : null
    const owner = isByOwner ? subject.owner : null
    const route = isByRoute ? subject.route : null
    const model = isByModel ? subject.model : null
    const date = dateLength === 0 ? null : dateOf(subject.at)
    const name = nameOf(date, keyId, owner, route, model)
    let row = rows.get(name)
    if (row === undefined) {
      const day = isBy('day') ? date : null
      const month =
        isBy('month') && date !== null ? date.slice(0, date.length - (day === null ? 0 : 3)) : null
      row = { keyId, owner, route, model, day, month, counts: createUsageCounts() }
      rows.set(name, row)
    }
    return row.counts
  }

  function* eachRow(): Iterable<UsageRow> {
    for (const row of [...rows.values()].toSorted(compareRows)) yield resultOf(row)
  }

  return {
    add: (entry) => addEntry(countsOf(entry), entry),
    countsOf,
    rows: () => [...eachRow()],
    eachRow,
  }
}

/** Texts as one. A length before each, so that no two of them share a name. */
function nameOf(...texts: readonly (string | null)[]): string {
  let name = ''
  for (const text of texts) name += text === null ? '-' : `${text.length} ${text}`
  return name
}

function resultOf({ counts, ...fields }: Row): UsageRow {
  const { latenciesUs, refused, measures, lastUsedAt, ...numbers } = counts
  const quantiles = latenciesUs.quantiles([0.5, 0.95, 0.99])
  const [p50 = 0, p95 = 0, p99 = 0] = quantiles?.map((us) => us / 1_000) ?? []
  return {
    ...fields,
    ...numbers,
    refused: Object.fromEntries(refused),
    measures: Object.fromEntries(measures),
    latencyMs: quantiles === undefined ? null : { p50, p95, p99 },
    lastUsedAt: lastUsedAt === 0 ? null : lastUsedAt,
  }
}

const order = ['keyId', 'owner', 'route', 'model', 'day', 'month'] as const

function compareRows(one: Row, other: Row): number {
  for (const field of order) {
    const compared = compare(one[field], other[field])
    if (compared !== 0) return compared
  }
  return 0
}

function compare(one: string | null, other: string | null): number {
  if (one === other) return 0
  if (one === null) return -1
  return other === null || one > other ? 1 : -1
}
