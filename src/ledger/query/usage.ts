import type { LedgerEntry } from '../format/record.ts'
import type { UsageQuery, UsageRow } from '../ledger.ts'
import { LatencyHistogram } from './latency-histogram.ts'

/** The fields of an entry that usage is summed up from. */
export type UsageEntry = Pick<
  LedgerEntry,
  'at' | 'event' | 'code' | 'keyId' | 'owner' | 'latencyUs' | 'measures'
>

/** Sums up usage, entry by entry, in memory that grows with the rows and not with the entries. */
export interface UsageSum {
  readonly add: (entry: UsageEntry) => void
  /** In the order of key, owner and day. */
  readonly rows: () => readonly UsageRow[]
}

interface Row extends Pick<UsageRow, 'keyId' | 'owner' | 'day'> {
  requests: number
  admitted: number
  operational: number
  readonly refused: Map<string, number>
  readonly measures: Map<string, number>
  readonly latenciesUs: LatencyHistogram
}

const dayMs = 86_400_000

/**
 * Begins a sum. `requests` is the sum of `measures.requests`; a refusal of a version that recorded
 * none counts as one there. A streamed answer counts by its `finished` record, which has its
 * measures. An admitted request without `requests` is operational.
 */
export function createUsageSum({ by }: Pick<UsageQuery, 'by'>): UsageSum {
  const rows = new Map<string, Row>()
  const isBy = { key: by.includes('key'), owner: by.includes('owner'), day: by.includes('day') }
  return {
    add(entry) {
      if (!isOfUsage(entry)) return
      const keyId = isBy.key ? entry.keyId : null
      const owner = isBy.owner ? entry.owner : null
      const day = isBy.day ? Math.floor(entry.at / dayMs) : null
      // A length before the text, so that no two rows share a name.
      const name = `${day} ${keyId?.length} ${keyId} ${owner === null} ${owner}`
      let row = rows.get(name)
      if (row === undefined) {
        row = createRow(keyId, owner, day)
        rows.set(name, row)
      }
      count(row, entry)
    },
    rows: () => [...rows.values()].toSorted(compareRows).map(resultOf),
  }
}

function isOfUsage({ event }: UsageEntry): boolean {
  return event.startsWith('request.') || event === 'requests.summarized'
}

function createRow(keyId: string | null, owner: string | null, day: number | null): Row {
  return {
    keyId,
    owner,
    day: day === null ? null : new Date(day * dayMs).toISOString().slice(0, 10),
    requests: 0,
    admitted: 0,
    operational: 0,
    refused: new Map(),
    measures: new Map(),
    latenciesUs: new LatencyHistogram(),
  }
}

function count(row: Row, { event, code, latencyUs, measures }: UsageEntry): void {
  if (event === 'requests.summarized') {
    // Older versions counted refusals as requests.
    const { refused = 0, requests = 0 } = measures
    row.requests += requests
    addTo(row.refused, code ?? '', refused + requests)
    return
  }
  if (event === 'request.refused' || event === 'request.failed') {
    row.requests += measures['requests'] ?? 1
    addTo(row.refused, code ?? '', 1)
  }
  if (event === 'request.admitted' || event === 'request.finished') countEnd(row, latencyUs, measures)
  for (const [name, amount] of Object.entries(measures)) addTo(row.measures, name, amount)
}

function countEnd(row: Row, latencyUs: number | null, { requests }: UsageEntry['measures']): void {
  if (requests === undefined) {
    row.operational += 1
    return
  }
  row.requests += requests
  row.admitted += 1
  if (latencyUs !== null) row.latenciesUs.add(latencyUs)
}

function addTo(sums: Map<string, number>, name: string, amount: number): void {
  sums.set(name, (sums.get(name) ?? 0) + amount)
}

function resultOf({ latenciesUs, refused, measures, ...row }: Row): UsageRow {
  const [p50 = 0, p95 = 0, p99 = 0] = latenciesUs.quantiles([0.5, 0.95, 0.99]).map((us) => us / 1_000)
  return {
    ...row,
    refused: Object.fromEntries(refused),
    measures: Object.fromEntries(measures),
    latencyMs: latenciesUs.total === 0 ? null : { p50, p95, p99 },
  }
}

function compareRows(one: Row, other: Row): number {
  return compare(one.keyId, other.keyId) || compare(one.owner, other.owner) || compare(one.day, other.day)
}

function compare(one: string | null, other: string | null): number {
  if (one === other) return 0
  if (one === null) return -1
  return other === null || one > other ? 1 : -1
}
