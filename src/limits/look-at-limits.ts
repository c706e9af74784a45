import { after } from '../core/after.ts'
import { Refusal } from '../core/refusal.ts'
import type { Limiter } from './limiter.ts'
import { createTakeLimits, type TakeLimits } from './usage/take-limits.ts'
import { noUsage } from './usage/usage.ts'

/**
 * Limits in the place of `createTakeLimits`, with its verdict and how they stand, that takes
 * nothing: what is given back or settled later was never there. Tells of no limit in shadow.
 */
export function createLookAtLimits(limiter: Pick<Limiter, 'peek'>): TakeLimits {
  const peek: Limiter['take'] = (uses) => limiter.peek(uses)
  const looking: Limiter = { take: peek, peek, settle() {}, reset() {}, close: async () => {} }
  const look = createTakeLimits(looking, () => {})
  return function lookAtLimits(uses, before) {
    return after(look(uses, before), (looked) =>
      looked instanceof Refusal ? looked : { ...noUsage, states: looked.states, headers: looked.headers },
    )
  }
}
