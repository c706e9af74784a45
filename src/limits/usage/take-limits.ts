import { after, type Maybe } from '../../core/after.ts'
import { Refusal } from '../../core/refusal.ts'
import type { Limiter, LimitRefusal, LimitUse } from '../limiter.ts'
import type { LimitedRequest, OnShadow, ShadowListener } from '../shadow-listener.ts'
import { type Costs, MeasuredCosts } from './costs.ts'
import { takeAll } from './take-all.ts'
import type { TakenReservation } from './taken-reservation.ts'
import { TakenUsage } from './taken-usage.ts'
import { UncountedUsage } from './uncounted-usage.ts'
import type { Usage } from './usage.ts'

/** What came of asking for a request's limits. */
export type LimitsTaken = Usage | Refusal

/**
 * Takes a request's limits. Several guards may see one request, one of the app and one of a route:
 * what is in `before` is not taken again, only what the second demand costs beyond it. Where the
 * second is refused, all is given back.
 *
 * @param costs what the demand says that it costs, which `uses` have where a limit counts it
 * @param of the request, for events
 */
export type TakeLimits = (
  uses: readonly LimitUse[],
  before: Usage,
  costs?: Costs,
  of?: LimitedRequest,
) => Maybe<LimitsTaken>

/** Takes limits over a limiter. */
export function createTakeLimits(limiter: Limiter, tellShadow: ShadowListener): TakeLimits {
  function takeAs(uses: readonly LimitUse[], onShadow: OnShadow, before?: TakenUsage): Maybe<Taken> {
    return after(takeAll(limiter, uses, onShadow, before), (taken) =>
      taken instanceof Refusal ? taken : new TakenUsage(limiter, uses, taken, onShadow),
    )
  }
  return function takeLimits(uses, before, costs, of) {
    const onShadow = (refusal: LimitRefusal): void => tellShadow(refusal, of?.origin)
    if (before instanceof TakenUsage) {
      const left = before.notTaken(uses)
      const taking = left.length === 0 ? undefined : takeAs(left, onShadow, before)
      return after(taking, (taken) => (taken instanceof Refusal ? taken : before.absorb(taken, costs)))
    }
    const measured = measuredBy(before, costs)
    if (uses.length === 0) return new UncountedUsage(measured)
    const taking = takeAs(uses, onShadow)
    if (measured === undefined) return taking
    const reservations = before instanceof UncountedUsage ? before.reservations : []
    return after(taking, (taken) => withMeasured(taken, measured, reservations))
  }
}

/** What was measured before a limit applied stays. */
function measuredBy(before: Usage, costs: Costs | undefined): MeasuredCosts | undefined {
  if (!(before instanceof UncountedUsage)) return costs && new MeasuredCosts(costs)
  if (costs !== undefined) before.measured.demand(costs)
  return before.measured
}

function withMeasured(
  taken: Taken,
  measured: MeasuredCosts,
  reservations: readonly TakenReservation[],
): LimitsTaken {
  if (taken instanceof TakenUsage) {
    taken.measured = measured
    taken.reservations = reservations
  }
  return taken
}

type Taken = TakenUsage | Refusal
