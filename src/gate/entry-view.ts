import type { LedgerEntry } from '../core/ledger-record.ts'

/** An entry as JSON Lines and the admin API show it: snake case, and the time as ISO 8601, UTC. */
export interface EntryView {
  readonly at: string
  readonly event: LedgerEntry['event']
  readonly request_id: string | null
  readonly client_request_id: string | null
  readonly code: string | null
  readonly key_id: string | null
  readonly owner: string | null
  readonly method: string | null
  readonly route: string | null
  readonly status: number | null
  readonly latency_us: number | null
  readonly measures: LedgerEntry['measures']
  readonly address: string | null
  readonly detail: LedgerEntry['detail']
}

export function viewEntry(entry: LedgerEntry): EntryView {
  return {
    at: new Date(entry.at).toISOString(),
    event: entry.event,
    request_id: entry.requestId,
    client_request_id: entry.clientRequestId,
    code: entry.code,
    key_id: entry.keyId,
    owner: entry.owner,
    method: entry.method,
    route: entry.route,
    status: entry.status,
    latency_us: entry.latencyUs,
    measures: entry.measures,
    address: entry.address,
    detail: entry.detail,
  }
}
