import type { LedgerEvent } from '../format/event.ts'
import type { LedgerEntry, LedgerRecord } from '../format/record.ts'

/** An entry as JSON shows it everywhere. Times are ISO 8601, UTC; unknown fields are null. */
export interface LedgerEntryView {
  readonly time: string
  readonly event: LedgerEvent
  readonly request_id: string | null
  readonly client_request_id: string | null
  readonly code: string | null
  readonly key_id: string | null
  readonly owner: string | null
  readonly method: string | null
  readonly route: string | null
  readonly status: number | null
  /** Milliseconds, to the microsecond. */
  readonly latency_ms: number | null
  readonly measures: LedgerEntry['measures']
  readonly address: string | null
  readonly detail: LedgerEntry['detail']
}

/** A record as the admin API and the command line show it. */
export interface LedgerRecordView extends LedgerEntryView {
  /** A cursor: pages go on from it. */
  readonly position: string
  /** Who wrote it: 32 hex digits. */
  readonly stream: string
  readonly seq: number
  /** The stream's chain up to and with it: 64 hex digits. */
  readonly hash: string
}

/** The last moment that has a date, in milliseconds since the epoch (ECMA-262, 21.4.1.1). */
export const timeMax = 8.64e15

/** Shows an entry. */
export function viewLedgerEntry(entry: LedgerEntry): LedgerEntryView {
  return {
    // A forged record may have a time beyond the calendar. The others must stay readable.
    time: new Date(Math.min(entry.at, timeMax)).toISOString(),
    event: entry.event,
    request_id: entry.requestId,
    client_request_id: entry.clientRequestId,
    code: entry.code,
    key_id: entry.keyId,
    owner: entry.owner,
    method: entry.method,
    route: entry.route,
    status: entry.status,
    latency_ms: entry.latencyUs === null ? null : entry.latencyUs / 1_000,
    measures: entry.measures,
    address: entry.address,
    detail: entry.detail,
  }
}

/** Shows a record. */
export function viewLedgerRecord(record: LedgerRecord): LedgerRecordView {
  const { position, stream, seq, hash } = record
  return { position, ...viewLedgerEntry(record), stream, seq, hash }
}
