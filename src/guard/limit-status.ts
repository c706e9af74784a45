import { Refusal } from '../core/refusal.ts'
import type { KeyStore } from '../keys/key-store.ts'
import { usesOf } from '../limits/limit-uses.ts'
import { type LimitView, viewLimit } from '../limits/limit-view.ts'
import type { Limiter } from '../limits/limiter.ts'
import { type LimitDefaults, limitsOf } from './request-limits.ts'

/**
 * How the limits stand that every request of a key meets, without taking anything; a route may have more of its own. Refuses, by throwing,
 * with `not_found`; faults with `store_unavailable` and `limiter_unavailable`.
 */
export type LookAtLimits = (keyId: string) => Promise<readonly LimitView[]>

export function createLookAtLimits(
  store: Pick<KeyStore, 'findKey' | 'findOwner'>,
  limiter: Limiter,
  defaults: LimitDefaults,
): LookAtLimits {
  return async (keyId) => {
    const record = await store.findKey(keyId)
    if (record === undefined) throw new Refusal('not_found', 'No key has this id.')
    const owner = await store.findOwner(record.owner)
    const { states } = await limiter.look(usesOf(limitsOf(record, owner?.limits ?? [], defaults)))
    return states.map(viewLimit)
  }
}
