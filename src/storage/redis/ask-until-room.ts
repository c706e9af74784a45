import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import type { LimitUse } from '../../limits/limiter.ts'
import type { Calls } from './calls.ts'
import type { LimiterAnswer } from './decode-reply.ts'
import type { KeptLimits } from './kept-limits.ts'
import { createLines } from './lines.ts'
import type { LimiterRequest } from './requests.ts'

/**
 * Asks the script, and again as long as room in long limits has to be made before.
 *
 * @param costOf how much more the use of an index needs
 * @throws Fault `limiter_unavailable`
 */
export type AskUntilRoom = (
  request: LimiterRequest,
  uses: readonly LimitUse[],
  costOf: (index: number) => number,
) => Promise<LimiterAnswer>

/** Milliseconds after which no more room is looked for. */
const roomMs = 1_500
/** Requests that look for room in one limit at once, for each asks again behind the other. */
const lookingMax = 4

export function createAskUntilRoom(
  calls: Pick<Calls, 'ask'>,
  kept: KeptLimits,
  monotonic: Clock,
): AskUntilRoom {
  const lines = createLines(lookingMax)

  return async (request, uses, costOf) => {
    let answer = await calls.ask(request)
    if (answer.is !== 'lacking') return answer
    const startedAt = monotonic()
    const useOf = (index = 0): LimitUse => uses[index] as LimitUse
    while (answer.is === 'lacking') {
      const { counter } = useOf(answer.snapshots[0]?.index)
      const { waited, leave } = await lines.enter(counter)
      try {
        if (monotonic() - startedAt > roomMs)
          throw new Fault('limiter_unavailable', 'long limits change too often to be written')
        if (waited) {
          answer = await calls.ask(request)
          if (answer.is !== 'lacking') break
        }
        const looking = lines.lengthOf(counter)
        const rooms = answer.snapshots.map((snapshot) => {
          const cost = costOf(snapshot.index)
          return kept.makeRoom(useOf(snapshot.index), snapshot, cost, cost * looking)
        })
        await Promise.all(rooms)
        answer = await calls.ask(request)
      } finally {
        leave()
      }
    }
    return answer
  }
}
