import { costOf, tooLate } from './admission.ts'
import type { CallSet } from './call-set.ts'
import type { UsualTimes } from './usual-times.ts'
import type { WaitingCall } from './waiting-call.ts'

export interface GatherOptions {
  /** The model's name, for messages. */
  readonly name: string
  /** Most inputs of the batch. */
  readonly batchMax: number
  readonly times: UsualTimes
  readonly now: number
}

/**
 * Takes the calls whose turn it is, as many as have room together and are all answered in time if
 * the batch takes as long as usual; empty where none waits. A call that has too little time left
 * even for itself is answered with `model_timeout` and not taken.
 *
 * Where urgent calls would make the batch small, and others fill a larger one, those are taken: a
 * model that gains from batches would otherwise, once late, be late for good.
 */
export function gatherBatch(waiting: CallSet, options: GatherOptions): readonly WaitingCall[] {
  const { batchMax, times, now } = options
  const first = pick(waiting, options, 0)
  let taken = first.calls
  if (first.left !== undefined) {
    const { batchMs } = costOf(first.left.inputs, { batchMax, waitingSize: waiting.size, times, now })
    const patient = pick(waiting, options, batchMs)
    if (patient.calls.length > taken.length) taken = patient.calls
  }
  for (const call of taken) waiting.take(call)
  return taken
}

interface Picked {
  readonly calls: readonly WaitingCall[]
  /** The one that would have made the batch too long. */
  readonly left: WaitingCall | undefined
}

/** @param leastMs passes over calls that have less time left, in milliseconds */
function pick(waiting: CallSet, { name, batchMax, times, now }: GatherOptions, leastMs: number): Picked {
  const calls: WaitingCall[] = []
  let room = batchMax
  let size = 0
  let dueAt = Number.POSITIVE_INFINITY
  for (const call of waiting) {
    if (isTooLate(call, times, now)) {
      waiting.delete(call)
      call.reject(tooLate(name, call.dueAt - now))
      continue
    }
    if (call.dueAt - now <= leastMs) continue
    room -= call.inputs.length
    if (room < 0) break
    dueAt = Math.min(dueAt, call.dueAt)
    size += call.cost.size
    if (calls.length > 0 && dueAt - now <= times.of(size, now)) return { calls, left: call }
    calls.push(call)
  }
  return { calls, left: undefined }
}

export function isTooLate({ isFirst, dueAt, cost }: WaitingCall, times: UsualTimes, now: number): boolean {
  return !isFirst && dueAt - now <= times.of(cost.size, now)
}
