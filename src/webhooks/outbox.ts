import type { JobRecord } from '../jobs/job.ts'

/**
 * Messages about ended jobs that are still to be delivered, written in the same commit as the job's
 * end, and the secrets they are signed with.
 */
export interface WebhookOutbox {
  /**
   * Leases up to `max` deliveries that are due, the longest due first; of one owner's never more
   * than `ownerMax` are leased at once, those of earlier claims among them, so that an owner's dead
   * receivers do not hold up the others'.
   */
  readonly claimDeliveries: (ask: {
    readonly max: number
    readonly ownerMax: number
    readonly now: number
    readonly until: number
  }) => Promise<readonly WebhookDelivery[]>
  /** Writes down what became of an attempt. One whose lease is lost changes nothing. */
  readonly settleDelivery: (attempt: DeliveryAttempt) => Promise<void>
  /**
   * Newest first, without leases. A delivery is forgotten with its job, or, where it still waits
   * then, once it has ended.
   */
  readonly listDeliveries: (query: DeliveryQuery) => Promise<readonly WebhookDelivery[]>
  /** Without its lease; undefined where the owner has no such delivery. */
  readonly findDelivery: (address: DeliveryAddress) => Promise<WebhookDelivery | undefined>
  /**
   * Makes a delivery that has ended wait again: due at `now`, with all its attempts, the same id,
   * job and URL. One that waits, leased or not, is given as it is. Undefined where the owner has
   * no such delivery.
   */
  readonly retryDelivery: (address: DeliveryAddress, now: number) => Promise<RetriedDelivery | undefined>
  /**
   * The owner's secrets that may sign at `now`, the newest first, sealed; one, or two while a
   * rotation overlaps.
   */
  readonly findWebhookSecrets: (owner: string, now: number) => Promise<readonly WebhookSecret[]>
  /**
   * Adds a secret, the newest from now on; the one before it signs no longer than until
   * `overlapUntil`, those before that no more.
   */
  readonly addWebhookSecret: (secret: WebhookSecret, overlapUntil: number) => Promise<void>
}

/** Whether the text can be a delivery's id. */
export function isDeliveryId(text: string): boolean {
  return /^msg_[0-9A-Za-z]{22}$/.test(text)
}

export interface WebhookDelivery {
  /**
   * `msg_` and 22 base62 characters: the same for every attempt, `webhook-id` of Standard Webhooks.
   * Derived by the store from its own CSPRNG draw when the job ends.
   */
  readonly id: string
  readonly jobId: string
  readonly owner: string
  readonly url: string
  /**
   * The job as it ended, without its result: every attempt sends the same, whatever has become of
   * the job, and after it has been forgotten.
   */
  readonly job: JobRecord
  /** Whether its row is not the one that was written: it is never sent, and `job` says nothing. */
  readonly isDamaged: boolean
  readonly status: 'waiting' | 'delivered' | 'failed'
  /**
   * How often it was claimed since it was put out, or retried last: of a claimed one, the attempt
   * under way is the last.
   */
  readonly attempts: number
  /** When it is tried next, milliseconds since the epoch; null where it is not. */
  readonly dueAt: number | null
  readonly createdAt: number
  /** Also one from before it was retried. */
  readonly lastAttempt: DeliveryResult | null
  /** Of a claimed one: names this attempt. */
  readonly lease: string | null
}

/** What one attempt came to. */
export interface DeliveryResult {
  readonly at: number
  /** HTTP status that was answered; null where none was. */
  readonly status: number | null
  /** What was wrong besides the status; null where the status says it. */
  readonly reason: DeliveryReason | null
}

/**
 * `address_denied`: the address may not be connected to. `name_unresolved`: the name has none.
 * `connection`: it was refused or lost. `tls`: the certificate was not right. `timeout`: no answer
 * in time. `redirect`: the answer was to go elsewhere, which is never done. `secret_missing`: there
 * is no secret to sign with. `stopped`: the process ended before the answer came. `damaged`: what
 * was to be sent is no longer what was stored.
 */
export type DeliveryReason =
  | 'address_denied'
  | 'name_unresolved'
  | 'connection'
  | 'tls'
  | 'timeout'
  | 'redirect'
  | 'secret_missing'
  | 'stopped'
  | 'damaged'

export interface DeliveryAttempt {
  readonly id: string
  readonly lease: string
  readonly result: DeliveryResult
  /** `delivered`, tried again at this moment, or `failed`. */
  readonly then: 'delivered' | 'failed' | { readonly retryAt: number }
}

/** Which delivery: of one owner, or of any where `owner` is undefined, for administrators alone. */
export interface DeliveryAddress {
  readonly id: string
  readonly owner?: string
}

export interface RetriedDelivery {
  /** As it stands, without its lease. */
  readonly delivery: WebhookDelivery
  /** Whether it had ended, and waits again. */
  readonly retried: boolean
}

export interface DeliveryQuery {
  readonly jobId?: string | undefined
  readonly owner?: string | undefined
  /** 1 to 1,000. */
  readonly limit: number
}

export interface WebhookSecret {
  readonly owner: string
  /** The 32 bytes of the secret, sealed under a key derived from the pepper. */
  readonly sealed: Uint8Array
  readonly createdAt: number
  /** Until when it signs, milliseconds since the epoch; null for as long as it is the newest. */
  readonly signsUntil: number | null
}
