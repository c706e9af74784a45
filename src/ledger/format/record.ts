import type { LedgerEvent } from './event.ts'

/**
 * One thing that happened, to be recorded. Never contains a key or input text. Texts longer than
 * their bound are cut when written.
 */
export interface LedgerEntry {
  /**
   * Milliseconds since the epoch, by the writer's clock. It may jump: records are ordered by
   * commit, not by time.
   */
  readonly at: number
  readonly event: LedgerEvent
  /** The id that the answer carries. */
  readonly requestId: string | null
  /** The client's own `X-Request-Id`: recorded, never trusted. */
  readonly clientRequestId: string | null
  /** Code of the refusal or the fault that was answered; null for neither. */
  readonly code: string | null
  readonly keyId: string | null
  readonly owner: string | null
  readonly method: string | null
  /** The route's pattern, such as `/jobs/:id`, never the path: people put keys and texts there. */
  readonly route: string | null
  /** HTTP status of the answer. */
  readonly status: number | null
  /** From the request's head to its record, in microseconds. */
  readonly latencyUs: number | null
  /** What the request used, by measure: whole numbers from 0 on. */
  readonly measures: Readonly<Record<string, number>>
  /** The client's address, whole, cut short or hashed, as configured. */
  readonly address: string | null
  /** Anything else: changed fields, a reason, the author. Flat, and at most 2,000 bytes as JSON. */
  readonly detail: Readonly<Record<string, string | number | boolean | null | readonly string[]>> | null
}

/** A record as it is read. */
export interface LedgerRecord extends LedgerEntry {
  /** Where it stands in the ledger: a cursor for pages. */
  readonly position: string
  /** Who wrote it: the stream's id, 32 hex digits. */
  readonly stream: string
  /** Its number in the stream, from 1 on, without gaps. */
  readonly seq: number
  /** The stream's chain up to and with it: SHA-256, 64 hex digits. */
  readonly hash: string
}

/** An entry with the known fields; all others are null. */
export function ledgerEntry(known: Pick<LedgerEntry, 'at' | 'event'> & Partial<LedgerEntry>): LedgerEntry {
  return {
    requestId: null,
    clientRequestId: null,
    code: null,
    keyId: null,
    owner: null,
    method: null,
    route: null,
    status: null,
    latencyUs: null,
    measures: {},
    address: null,
    detail: null,
    ...known,
  }
}

/** How far the changes of the keys' store had come by this record; 0 for one that does not say. */
export function changeOf({ detail }: Pick<LedgerEntry, 'detail'>): number {
  const change = detail?.['change']
  return typeof change === 'number' && Number.isSafeInteger(change) && change > 0 ? change : 0
}

/**
 * Whether it begins a call of an upstream: where its process died, another records its end, with
 * what was reserved.
 */
export function isCallStart({ event, detail }: Pick<LedgerEntry, 'event' | 'detail'>): boolean {
  return event === 'request.started' && typeof detail?.['reserved'] === 'number'
}
