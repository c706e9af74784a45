import { Fault } from '../../core/fault.ts'
import { sizeOf } from './input-size.ts'
import type { UsualTimes } from './usual-times.ts'

/** What a call costs a lane, as far as that is known. */
export interface CallCost {
  /** See `input-size.ts`. */
  readonly size: number
  /** How long it takes by itself, in milliseconds. */
  readonly aloneMs: number
  /** How long the batch takes that it would be in, with what waits already. */
  readonly batchMs: number
  /** And its share of that. */
  readonly shareMs: number
}

export function costOf(
  inputs: readonly unknown[],
  { batchMax, waitingSize, times, now }: CostOptions,
): CallCost {
  const size = sizeOf(inputs)
  const count = Math.max(1, Math.floor(batchMax / inputs.length))
  const aloneMs = times.of(size, now)
  const together = Math.min(count, 1 + waitingSize / size)
  return {
    size,
    aloneMs,
    batchMs: batchMsOf(together),
    shareMs: batchMsOf(count) / count,
  }

  /**
   * What was once a slow batch, of a job for one, makes none slower than its calls are one by one.
   */
  function batchMsOf(calls: number): number {
    return Math.min(times.of(size * calls, now), aloneMs * calls)
  }
}

interface CostOptions {
  readonly batchMax: number
  /** Of all calls that wait before it; see `input-size.ts`. */
  readonly waitingSize: number
  readonly times: UsualTimes
  readonly now: number
}

/**
 * Refuses a call that would not be answered in time; undefined for one that may wait.
 *
 * @param waitMs until it would be started, in milliseconds
 * @param slicesLeft how many like it are to come, each behind all that waits by then
 */
export function latenessOf(
  name: string,
  { aloneMs, batchMs }: CallCost,
  {
    deadlineMs,
    slicesLeft = 1,
    waitMs,
  }: { readonly deadlineMs: number; readonly slicesLeft?: number | undefined; readonly waitMs: number },
): Fault | undefined {
  if (deadlineMs <= aloneMs * slicesLeft) return tooLate(name, deadlineMs)
  if (deadlineMs <= (waitMs + batchMs) * slicesLeft)
    return overloaded(`model ${name}: it would wait for ${Math.round(waitMs)} ms`, waitMs)
  return undefined
}

export function tooLate(name: string, leftMs: number): Fault {
  return new Fault(
    'model_timeout',
    `model ${name} usually takes longer than the ${Math.round(leftMs)} ms that are left`,
  )
}

/** @param waitMs after so long what waits now has been answered */
export function overloaded(message: string, waitMs: number): Fault {
  return new Fault('overloaded', message, { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) })
}
