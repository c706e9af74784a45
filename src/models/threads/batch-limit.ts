import type { WaitingCall } from './waiting-call.ts'

export interface BatchLimitOptions {
  /** Calls that are to be run again by themselves. */
  readonly suspects: Iterable<WaitingCall>
  /** How long the batch usually takes, in milliseconds; 0 where that is not known. */
  readonly usualMs: number
  readonly now: number
}

/**
 * How long a batch may take for the sake of others, in milliseconds; infinite if for none.
 *
 * Others are the calls of a batch of several, or for a call that runs again alone those that are to
 * run after it and have time for that. An input that never ends would use up their time. But calls
 * have different times left: for those that are nearly late no batch is aborted that has not taken
 * long, twice as long as usual, or where that is not known a share of what the others have.
 */
export function batchLimitOf(
  calls: readonly WaitingCall[],
  { suspects, usualMs, now }: BatchLimitOptions,
): number {
  const isShared = calls.length > 1
  // Calls with a deadline of their own went first: the work of a job is not lost for others.
  if (!isShared && calls[0]?.mayWait) return Number.POSITIVE_INFINITY
  const waiting = isShared ? [] : [...suspects].filter(({ dueAt }) => dueAt - now > 2 * usualMs)
  const urgent = calls.filter(({ mayWait }) => !mayWait)
  const least = leastLeftOf(isShared ? calls : waiting, now)
  if (least === Number.POSITIVE_INFINITY) return least
  const most = mostLeftOf(urgent.length > 0 ? urgent : calls, now)
  const parts = isShared ? 2 : 4
  const longMs = usualMs > 0 ? 2 * usualMs : most / parts
  // However slow such a batch was once, some of them have time after it.
  return Math.min(Math.max(least, most / 2), Math.max(least / parts, longMs))
}

function leastLeftOf(calls: readonly WaitingCall[], now: number): number {
  return calls.reduce((ms, { dueAt }) => Math.min(ms, Math.max(0, dueAt - now)), Number.POSITIVE_INFINITY)
}

function mostLeftOf(calls: readonly WaitingCall[], now: number): number {
  return calls.reduce((ms, { dueAt }) => Math.max(ms, dueAt - now), 0)
}
