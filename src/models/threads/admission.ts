import { Fault } from '../../core/fault.ts'
import { sizeOf } from './input-size.ts'
import type { UsualTimes } from './usual-times.ts'

/** What a call costs a lane, as far as that is known. */
export interface CallCost {
  /** See `input-size.ts`. */
  readonly size: number
  /** How long it takes by itself, in milliseconds. */
  readonly aloneMs: number
  /** How long a batch takes that is full of its like. */
  readonly batchMs: number
  /** And its share of that. */
  readonly shareMs: number
}

export function costOf(
  inputs: readonly unknown[],
  { batchMax, times, now }: { readonly batchMax: number; readonly times: UsualTimes; readonly now: number },
): CallCost {
  const size = sizeOf(inputs)
  const count = Math.max(1, Math.floor(batchMax / inputs.length))
  const batchMs = times.of(size * count, now)
  return { size, aloneMs: times.of(size, now), batchMs, shareMs: batchMs / count }
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
