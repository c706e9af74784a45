import { faults } from '../../core/fault.ts'
import { refusals } from '../../core/refusal.ts'

/**
 * The closed set of recorded events. Their numbers are stored, and never reused; the test beside
 * this file keeps some for events to come.
 * `docs/reference/ledger.md` maps events to OWASP's logging vocabulary and OCSF.
 */
export const ledgerEvents = {
  /** A request whose key was admitted; `code` is that of its answer if that was a problem. */
  'request.admitted': 1,
  /** A request that was refused, with the refusal's code. */
  'request.refused': 2,
  /** A request that could not be decided: the store or the limiter failed, or a check threw. */
  'request.failed': 3,
  /** A streamed answer is about to begin; `request.finished` follows unless the process dies. */
  'request.started': 4,
  /** The last piece of a streamed answer is about to leave. */
  'request.finished': 5,
  /** Refusals of one code and address without a record each; `measures.requests` counts them. */
  'requests.summarized': 6,
  'key.created': 10,
  'key.imported': 11,
  'key.updated': 12,
  'key.rotated': 13,
  'key.disabled': 14,
  'key.enabled': 15,
  'key.revoked': 16,
  /** What a key had used of its limits was forgotten; `detail.limits` says of which. */
  'key.limits_reset': 18,
  'owner.limits_set': 20,
  /** Keys were restored from a backup, on purpose; `detail.before` is how far they had come. */
  'keys.restored': 19,
  /** A job was accepted; `detail.job` is its id, in every event of a job. */
  'job.accepted': 40,
  /** An attempt at a job began. */
  'job.started': 41,
  /** A job succeeded. */
  'job.finished': 42,
  /** An attempt failed; `detail.outcome` says what follows: `retry`, `dead` or `failed`. */
  'job.failed': 43,
  'job.cancelled': 44,
  /** A dead or failed job was put back into the queue. */
  'job.retried': 45,
  /** An owner's webhook secret was made or replaced. */
  'webhook.secret_rotated': 50,
  /** A webhook was delivered, or given up; `detail.outcome` says which. */
  'webhook.ended': 51,
  /** A webhook that had ended is sent again because someone asked for it. */
  'webhook.retried': 52,
  /** A writer begins a stream of its own. */
  'ledger.opened': 30,
  /** A writer ends its stream in good order; where the stream is one commit, with a signature. */
  'ledger.closed': 31,
  /** A signed statement of how far the stream has come. */
  'ledger.checkpoint': 32,
  /** Records older than the retention were dropped. */
  'ledger.dropped': 33,
} as const

/** What a record is about. */
export type LedgerEvent = keyof typeof ledgerEvents

const names: ReadonlyMap<number, LedgerEvent> = new Map(
  Object.entries(ledgerEvents).map(([name, number]) => [number, name as LedgerEvent]),
)

/** The event of a number; undefined for one that no version has written. */
export function ledgerEventOf(number: number): LedgerEvent | undefined {
  return names.get(number)
}

/**
 * Events that are changes of the deployment. Their `detail.change` is how far the changes of the
 * keys' store had come when the record was written: the store never is behind that again.
 */
export const changeEvents: readonly LedgerEvent[] = Object.keys(ledgerEvents)
  .filter(isLedgerEvent)
  .filter((name) => /^(?:keys?|owner)\./.test(name) || name === 'webhook.secret_rotated')

/** Whether the text names an event. */
export function isLedgerEvent(text: string): text is LedgerEvent {
  return Object.hasOwn(ledgerEvents, text)
}

/** Every code that a record may have: those of refusals and of faults. */
export const ledgerCodes: readonly string[] = [...Object.keys(refusals), ...Object.keys(faults)]
