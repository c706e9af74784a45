import type { UsageGroup, UsageQuery, UsageRow } from '../ledger.ts'
import { timeMax } from './record-view.ts'

/** Usage as the admin API and the command line show it: see `UsageRow`. Times are ISO 8601, UTC. */
export interface UsageView
  extends Pick<
    UsageRow,
    | 'owner'
    | 'route'
    | 'model'
    | 'day'
    | 'month'
    | 'requests'
    | 'admitted'
    | 'operational'
    | 'refused'
    | 'measures'
  > {
  readonly key_id: string | null
  /** Null for rows that are not grouped by key, and for a key that is not known. */
  readonly key_name: string | null
  readonly latency_ms: UsageRow['latencyMs']
  readonly last_used_at: string | null
}

/** Shows a row of usage. @param names of keys, by id */
export function viewUsage(row: UsageRow, names: ReadonlyMap<string, string>): UsageView {
  return {
    key_id: row.keyId,
    key_name: (row.keyId === null ? undefined : names.get(row.keyId)) ?? null,
    owner: row.owner,
    route: row.route,
    model: row.model,
    day: row.day,
    month: row.month,
    requests: row.requests,
    admitted: row.admitted,
    operational: row.operational,
    refused: row.refused,
    measures: row.measures,
    latency_ms: row.latencyMs,
    last_used_at: row.lastUsedAt === null ? null : new Date(Math.min(row.lastUsedAt, timeMax)).toISOString(),
  }
}

/** The keys that rows of usage are of, each once. */
export function keyIdsOf(rows: readonly UsageRow[]): ReadonlySet<string> {
  return new Set(rows.flatMap(({ keyId }) => keyId ?? []))
}

/** The fields that rows can be grouped by. */
export const usageGroups: readonly UsageGroup[] = ['key', 'owner', 'route', 'model', 'day', 'month']

const dayMs = 86_400_000

/** The default query: by key and day, today and the 29 days before it. */
export function usageDefaults(now: number): Required<Pick<UsageQuery, 'by' | 'since'>> {
  return { by: ['key', 'day'], since: Math.floor(now / dayMs) * dayMs - 29 * dayMs }
}

/** Reads groups such as `key,day`, each at most once; undefined for anything else. */
export function parseUsageGroups(text: string): UsageQuery['by'] | undefined {
  const named = text.split(',')
  const known = usageGroups.filter((group) => named.includes(group))
  return known.length === named.length ? known : undefined
}
