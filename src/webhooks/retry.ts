import type { DeliveryAttempt, DeliveryResult } from './outbox.ts'

/**
 * How long to wait after each attempt that failed, in milliseconds: Standard Webhooks' own
 * suggestion, a little over a day.
 */
export const webhookWaitsMs: readonly number[] = [
  5_000,
  5 * 60_000,
  30 * 60_000,
  2 * 3_600_000,
  5 * 3_600_000,
  10 * 3_600_000,
  10 * 3_600_000,
]

/**
 * A wait is longer by up to this share, so that receivers that broke down together are not asked
 * together.
 */
const jitter = 0.2

/**
 * Longest wait that a receiver can ask for, in milliseconds; beyond it, it would decide how long
 * messages are kept.
 */
const askedWaitMsMax = 10 * 3_600_000

/** `Gone`: the receiver wants nothing sent here any more. */
const goneStatus = 410

/**
 * What follows an attempt.
 *
 * @param attempts how many there were, with this one
 * @param retryAfter the receiver's `Retry-After`, which can make a wait longer and never shorter
 * @param random 0 to 1
 */
export function afterAttempt(
  result: DeliveryResult,
  attempts: number,
  retryAfter: string | null,
  random: number,
): DeliveryAttempt['then'] {
  // Not a failure of the receiver: retried as soon as a worker is free.
  if (result.reason === 'stopped') return { retryAt: result.at }
  if (result.reason === 'damaged') return 'failed'
  if (result.reason === null && isSuccess(result.status)) return 'delivered'
  const waitMs = webhookWaitsMs[attempts - 1]
  if (waitMs === undefined || result.status === goneStatus) return 'failed'
  const askedMs = Math.min(parseRetryAfter(retryAfter, result.at) ?? 0, askedWaitMsMax)
  return { retryAt: result.at + Math.max(Math.round(waitMs * (1 + jitter * random)), askedMs) }
}

/** Whether an answer of this status is a redirect, which is never followed. */
export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400
}

function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300
}

/**
 * Reads `Retry-After` (RFC 9110 §10.2.3), seconds or a date, as milliseconds from now on; undefined
 * for anything else.
 */
function parseRetryAfter(text: string | null, now: number): number | undefined {
  if (text === null) return undefined
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1_000
  // Of the date forms, the one that may be sent: `Date.parse` alone would take much more.
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
