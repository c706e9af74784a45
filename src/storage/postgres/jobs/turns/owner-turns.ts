import { Fault } from '../../../../core/fault.ts'
import { type OfOwner, Turns } from '../../../../core/turns.ts'
import { isOutage } from '../statement-queue.ts'

/** Lets what owners ask for have connections by turns. */
export interface OwnerTurns {
  /**
   * Runs it once it is its owner's turn. Where the database does not answer, all that has waited
   * for as long as what found out fails with it, and not each after the others.
   *
   * @throws Fault `store_unavailable` where too much of this owner waits
   */
  readonly run: <Result>(owner: string | undefined, work: () => Promise<Result>) => Promise<Result>
}

interface Waiting extends OfOwner {
  /** How many came before it. */
  readonly number: number
  /** Gets how many have come by then. */
  readonly begin: (added: number) => void
  readonly reject: (failure: unknown) => void
}

/**
 * Of the connections of a node's jobs, the ones that owners' calls may have at once: the others are
 * left for what all jobs need, such as leases.
 */
const atOnceMax = 4
/** Calls of one owner that wait. */
const ownerWaitingMax = 2_000

/** @param name what messages call the database */
export function createOwnerTurns(name: string): OwnerTurns {
  const turns = new Turns<Waiting>()
  let underWay = 0
  let added = 0

  function beginNext(): void {
    const next = turns.first
    if (next === undefined || underWay >= atOnceMax) return
    turns.take(next)
    underWay += 1
    next.begin(added)
  }

  function failEarlier(before: number, failure: unknown): void {
    for (const waiting of [...turns]) {
      if (waiting.number >= before || !turns.delete(waiting)) continue
      waiting.reject(failure)
    }
  }

  return {
    async run(owner, work) {
      if (turns.of(owner).length >= ownerWaitingMax)
        throw new Fault('store_unavailable', `${name}: too many calls of one owner wait`)
      const before = await new Promise<number>((begin, reject) => {
        turns.add({ owner, number: added, begin, reject })
        added += 1
        beginNext()
      })
      try {
        return await work()
      } catch (failure) {
        if (isOutage(failure)) failEarlier(before, failure)
        throw failure
      } finally {
        underWay -= 1
        beginNext()
      }
    },
  }
}
