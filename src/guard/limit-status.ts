import { Refusal } from '../core/refusal.ts'
import type { KeyStore } from '../keys/key-store.ts'
import { usesOf } from '../limits/limit-uses.ts'
import { type LimitView, viewLimit } from '../limits/limit-view.ts'
import type { Limiter } from '../limits/limiter.ts'
import { type LimitDefaults, limitsOf } from './request-limits.ts'

/** Reads limits without taking anything from them. */
export interface LimitStatus {
  /**
   * The status of the limits that every request of a key meets; a route may have more of its own.
   * Rejects with the refusal `not_found`, and the faults `store_unavailable` and
   * `limiter_unavailable`.
   */
  readonly status: (keyId: string) => Promise<readonly LimitView[]>
}

export function createLimitStatus(
  store: Pick<KeyStore, 'findKey' | 'findOwner'>,
  limiter: Limiter,
  defaults: LimitDefaults,
): LimitStatus {
  async function status(keyId: string): Promise<readonly LimitView[]> {
    const record = await store.findKey(keyId)
    if (record === undefined) throw new Refusal('not_found', 'No key has this id.')
    const owner = await store.findOwner(record.owner)
    const { states } = await limiter.peek(usesOf(limitsOf(record, owner?.limits ?? [], defaults)))
    return states.map(viewLimit)
  }
  return { status }
}
