import { otherName } from '../../core/closed-names.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { UsageEntry } from './usage-entry.ts'

/** What was used, summed up. */
export interface UsageCounts {
  requests: number
  admitted: number
  operational: number
  /** When a request was admitted, or a key's secret was proven, last; 0 for none. */
  lastUsedAt: number
  /** By code. */
  readonly refused: Map<string, number>
  readonly measures: Map<string, number>
  readonly latenciesUs: LatencyHistogram
}

/** Measures of one row beyond so many are counted as `other`: apps make names of what they like. */
export const measuresMax = 100

export function createUsageCounts(): UsageCounts {
  return {
    requests: 0,
    admitted: 0,
    operational: 0,
    lastUsedAt: 0,
    refused: new Map(),
    measures: new Map(),
    latenciesUs: new LatencyHistogram(),
  }
}

/**
 * Adds an entry. `requests` is the sum of `measures.requests`; a refusal of a version that recorded
 * none counts as one there. A streamed answer counts by its `finished` record, which has its
 * measures. An admitted request without `requests` is operational, and counts as nothing else.
 */
export function addEntry(counts: UsageCounts, entry: UsageEntry): void {
  const { event, code, latencyUs, measures } = entry
  const requests = amountOf(measures, 'requests')
  switch (event) {
    case 'requests.summarized':
      // Older versions counted refusals as requests.
      counts.requests += requests ?? 0
      addRefused(counts, code ?? '', (amountOf(measures, 'refused') ?? 0) + (requests ?? 0))
      if (entry.keyId !== null) counts.lastUsedAt = Math.max(counts.lastUsedAt, entry.at)
      return
    case 'request.refused':
    case 'request.failed':
      counts.requests += requests ?? 1
      addRefused(counts, code ?? '', 1)
      // Its secret was proven: no other refusal names a key.
      if (entry.keyId !== null) counts.lastUsedAt = Math.max(counts.lastUsedAt, entry.at)
      break
    case 'request.started':
      counts.lastUsedAt = Math.max(counts.lastUsedAt, entry.at)
      break
    default:
      counts.lastUsedAt = Math.max(counts.lastUsedAt, entry.at)
      if (requests === undefined) {
        counts.operational += 1
        return
      }
      counts.requests += requests
      counts.admitted += 1
      if (latencyUs !== null) counts.latenciesUs.add(latencyUs)
  }
  for (const [name, amount] of measures) addMeasure(counts, name, amount)
}

function amountOf(measures: UsageEntry['measures'], wanted: string): number | undefined {
  for (const [name, amount] of measures) if (name === wanted) return amount
  return undefined
}

/** Adds what was summed up elsewhere. */
export function addCounts(sum: UsageCounts, counts: UsageCounts): void {
  sum.requests += counts.requests
  sum.admitted += counts.admitted
  sum.operational += counts.operational
  sum.lastUsedAt = Math.max(sum.lastUsedAt, counts.lastUsedAt)
  for (const [code, count] of counts.refused) addRefused(sum, code, count)
  for (const [name, amount] of counts.measures) addMeasure(sum, name, amount)
  sum.latenciesUs.addEncoded(counts.latenciesUs.encode())
}

export function addRefused({ refused }: UsageCounts, code: string, count: number): void {
  refused.set(code, (refused.get(code) ?? 0) + count)
}

export function addMeasure({ measures }: UsageCounts, measure: string, amount: number): void {
  const before = measures.get(measure)
  if (before !== undefined || measures.size < measuresMax) measures.set(measure, (before ?? 0) + amount)
  else measures.set(otherName, (measures.get(otherName) ?? 0) + amount)
}
