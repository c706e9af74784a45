import { Fault } from '../../core/fault.ts'
import { slicesOf } from '../../core/slices.ts'
import type { LimitUse } from '../../limits/limiter.ts'
import { isStored } from '../../limits/stored-usage.ts'
import type { AskUntilRoom } from './ask-until-room.ts'
import type { Calls } from './calls.ts'
import type { Snapshot } from './decode-reply.ts'
import type { KeptLimits } from './kept-limits.ts'
import { checkLeases, type Leases } from './leases.ts'
import { forced, operations, type RequestUse, requestUse, usesAtOnce } from './requests.ts'

export interface SettlingOptions {
  readonly calls: Calls
  readonly leases: Leases
  readonly kept: KeptLimits
  readonly askUntilRoom: AskUntilRoom
}

/** Puts what was really used in the place of what was taken: `settle` of the limiter. */
export function createSettling({ calls, leases, kept, askUntilRoom }: SettlingOptions) {
  function settleLeases(use: LimitUse, at: number, cost: number): readonly RequestUse[] {
    if (cost > use.cost) {
      const more = checkLeases({ ...use, cost: cost - use.cost })
      const first = leases.draw(more)
      leases.hold(use.counter, at, first, more)
      return [requestUse(use, cost, use.cost, first)]
    }
    const ended = Array.from({ length: use.cost - cost }, () => leases.release(use.counter, at))
    return ended.flatMap((lease) => (lease === undefined ? [] : [requestUse(use, 0, 1, lease)]))
  }

  async function settleKept(use: LimitUse, at: number, cost: number): Promise<void> {
    const one = requestUse(use, cost, use.cost, 0)
    const request = { operation: operations.settle, uses: [one], at }
    try {
      const answer = await askUntilRoom(request, [use], () => cost - use.cost)
      if (answer.is === 'off') await writeBehind(use, answer.snapshots)
    } catch (fault) {
      // What was used counts in Redis at least, and is written before anything else is taken.
      if (cost > use.cost && calls.epoch() !== undefined) await calls.ask({ ...request, uses: [forced(one)] })
      throw fault
    }
  }

  /** What was given back: where it cannot be written, what is kept says more than was used. */
  async function writeBehind(use: LimitUse, snapshots: readonly Snapshot[]): Promise<void> {
    try {
      for (const snapshot of snapshots) await kept.writeDown(use, snapshot)
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault
    }
  }

  return async (uses: readonly LimitUse[], at: number, costs: readonly number[]): Promise<void> => {
    const plain: RequestUse[] = []
    const work: Promise<unknown>[] = []
    for (const [index, use] of uses.entries()) {
      const cost = costs[index] ?? 0
      if (cost === use.cost) continue
      if (use.limit.kind === 'concurrent') plain.push(...settleLeases(use, at, cost))
      else if (isStored(use)) work.push(settleKept(use, at, cost))
      else plain.push(requestUse(use, cost, use.cost, 0))
    }
    // Each by itself, whatever becomes of the others: what is under way at once must come free.
    for (const some of slicesOf(plain, usesAtOnce))
      work.push(calls.ask({ operation: operations.settle, uses: some, at }))
    for (const outcome of await Promise.allSettled(work))
      if (outcome.status === 'rejected') throw outcome.reason
  }
}
