import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import type { LimitUse } from '../../limits/limiter.ts'
import type { Calls } from './calls.ts'
import type { LimiterAnswer } from './decode-reply.ts'
import type { KeptLimits } from './kept-limits.ts'
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

export function createAskUntilRoom(
  calls: Pick<Calls, 'ask'>,
  kept: KeptLimits,
  monotonic: Clock,
): AskUntilRoom {
  return async (request, uses, costOf) => {
    let answer = await calls.ask(request)
    if (answer.is !== 'lacking') return answer
    const startedAt = monotonic()
    while (answer.is === 'lacking') {
      if (monotonic() - startedAt > roomMs)
        throw new Fault('limiter_unavailable', 'long limits change too often to be written')
      await Promise.all(
        answer.snapshots.map((snapshot) =>
          kept.makeRoom(uses[snapshot.index] as LimitUse, snapshot, costOf(snapshot.index)),
        ),
      )
      answer = await calls.ask(request)
    }
    return answer
  }
}
