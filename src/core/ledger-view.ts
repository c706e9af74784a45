import type { LedgerEvent } from './ledger-event.ts'
import type { LedgerRecord } from './ledger-record.ts'

/** A record as the admin API and the command line show it. Times are ISO 8601, UTC; what is not known is null. */
export interface LedgerRecordView {
  /** A cursor: pages go on from it. */
  readonly position: string
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
  readonly measures: LedgerRecord['measures']
  readonly address: string | null
  readonly detail: LedgerRecord['detail']
  /** Who wrote it: 32 hex digits. */
  readonly stream: string
  readonly seq: number
  /** The stream's chain up to and with it: 64 hex digits. */
  readonly hash: string
}

/** The last moment that has a date, in milliseconds since the epoch (ECMA-262, 21.4.1.1). */
const timeMax = 8.64e15

/** Shows a record. */
export function viewLedgerRecord(record: LedgerRecord): LedgerRecordView {
  return {
    position: record.position,
    // A record that was tampered with may say a time beyond the calendar, and must not keep the others from being read.
    time: new Date(Math.min(record.at, timeMax)).toISOString(),
    event: record.event,
    request_id: record.requestId,
    client_request_id: record.clientRequestId,
    code: record.code,
    key_id: record.keyId,
    owner: record.owner,
    method: record.method,
    route: record.route,
    status: record.status,
    latency_ms: record.latencyUs === null ? null : record.latencyUs / 1_000,
    measures: record.measures,
    address: record.address,
    detail: record.detail,
    stream: record.stream,
    seq: record.seq,
    hash: record.hash,
  }
}
