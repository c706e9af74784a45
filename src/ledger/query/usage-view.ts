import type { UsageQuery, UsageRow } from '../ledger.ts'

/** What was used, as the admin API and the command line show it. A field is null where rows are not made by it. */
export interface UsageView {
  readonly key_id: string | null
  readonly owner: string | null
  /** `2026-11-24`, UTC. */
  readonly day: string | null
  readonly requests: number
  readonly admitted: number
  /** How many were refused or failed, by code. */
  readonly refused: Readonly<Record<string, number>>
  readonly measures: Readonly<Record<string, number>>
  /** Of admitted requests, in milliseconds; null where there were none. */
  readonly latency_ms: { readonly p50: number; readonly p95: number; readonly p99: number } | null
}

/** Shows a row of usage. */
export function viewUsage(row: UsageRow): UsageView {
  return {
    key_id: row.keyId,
    owner: row.owner,
    day: row.day,
    requests: row.requests,
    admitted: row.admitted,
    refused: row.refused,
    measures: row.measures,
    latency_ms: row.latencyMs,
  }
}

/** What rows may be made for. */
export const usageGroups: UsageQuery['by'] = ['key', 'owner', 'day']

const dayMs = 86_400_000

/** What usage is asked for where nobody says: by key and day, today and the 29 days before it. */
export function usageDefaults(now: number): Required<Pick<UsageQuery, 'by' | 'since'>> {
  return { by: ['key', 'day'], since: Math.floor(now / dayMs) * dayMs - 29 * dayMs }
}

/** Reads `key,owner,day`, each at most once; undefined for anything else. */
export function parseUsageGroups(text: string): UsageQuery['by'] | undefined {
  const named = text.split(',')
  const known = usageGroups.filter((group) => named.includes(group))
  return known.length === named.length ? known : undefined
}
