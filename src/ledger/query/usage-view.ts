import type { UsageQuery, UsageRow } from '../ledger.ts'

/** Usage as the admin API and the command line show it: see `UsageRow`. */
export interface UsageView
  extends Pick<UsageRow, 'owner' | 'day' | 'requests' | 'admitted' | 'operational' | 'refused' | 'measures'> {
  readonly key_id: string | null
  readonly latency_ms: UsageRow['latencyMs']
}

/** Shows a row of usage. */
export function viewUsage(row: UsageRow): UsageView {
  return {
    key_id: row.keyId,
    owner: row.owner,
    day: row.day,
    requests: row.requests,
    admitted: row.admitted,
    operational: row.operational,
    refused: row.refused,
    measures: row.measures,
    latency_ms: row.latencyMs,
  }
}

/** The fields that rows can be grouped by. */
export const usageGroups: UsageQuery['by'] = ['key', 'owner', 'day']

const dayMs = 86_400_000

/** The default query: by key and day, today and the 29 days before it. */
export function usageDefaults(now: number): Required<Pick<UsageQuery, 'by' | 'since'>> {
  return { by: ['key', 'day'], since: Math.floor(now / dayMs) * dayMs - 29 * dayMs }
}

/** Reads `key,owner,day`, each at most once; undefined for anything else. */
export function parseUsageGroups(text: string): UsageQuery['by'] | undefined {
  const named = text.split(',')
  const known = usageGroups.filter((group) => named.includes(group))
  return known.length === named.length ? known : undefined
}
