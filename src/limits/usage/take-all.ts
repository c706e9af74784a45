import type { Maybe } from '../../core/after.ts'
import type { Refusal } from '../../core/refusal.ts'
import { refuse, refuseForGood } from '../limit-refusals.ts'
import type { Limiter, LimitState, LimitUse, Taking } from '../limiter.ts'
import type { OnShadow } from '../shadow-listener.ts'

/** What a request has taken of its limits so far. */
export interface TakenBefore {
  readonly states: readonly LimitState[]
  /** Missing: it stays taken where more is refused, because work has begun on it. */
  readonly giveBack?: () => Promise<void>
}

/**
 * Takes all in one step, or none: what was taken, or the refusal of the limit that passes last.
 * What the request took `before` is then given back, for it is refused.
 */
export function takeAll(
  limiter: Limiter,
  uses: readonly LimitUse[],
  onShadow: OnShadow,
  before?: TakenBefore,
): Maybe<Taking | Refusal> {
  for (const use of uses)
    if (use.cost > use.limit.amount && !use.isShadow) return afterGivingBack(before, () => refuseForGood(use))
  const taking = limiter.take(uses)
  return taking instanceof Promise
    ? taking.then((later) => conclude(later, onShadow, before))
    : conclude(taking, onShadow, before)
}

function conclude(
  taking: Taking,
  onShadow: OnShadow,
  before: TakenBefore | undefined,
): Maybe<Taking | Refusal> {
  for (const shadow of taking.shadows) onShadow(shadow)
  const { refusal } = taking
  if (refusal === undefined) return taking
  if (before === undefined) return refuse(refusal, taking)
  // The answer tells of all limits of the request, as it does where one guard takes them.
  return afterGivingBack(before, () =>
    refuse(refusal, { ...taking, states: laterStates(before.states, taking.states) }),
  )
}

function afterGivingBack(before: TakenBefore | undefined, refuseNow: () => Refusal): Maybe<Refusal> {
  return before?.giveBack === undefined ? refuseNow() : before.giveBack().then(refuseNow)
}

/** The later status of each limit, in the order in which limits were first met. */
export function laterStates(
  earlier: readonly LimitState[],
  later: readonly LimitState[],
): readonly LimitState[] {
  return [...new Map([...earlier, ...later].map((state) => [state.use.counter, state])).values()]
}
