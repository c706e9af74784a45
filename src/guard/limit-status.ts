import type { KeyRecord } from '../keys/record/key-record.ts'
import { unknownKey } from '../keys/service/change-refusals.ts'
import type { KeyStore } from '../keys/store/key-store.ts'
import type { ChangeRecorder } from '../ledger/write/change-recorder.ts'
import { usesOf } from '../limits/limit-uses.ts'
import { type LimitView, viewLimit } from '../limits/limit-view.ts'
import type { Limiter, LimitUse } from '../limits/limiter.ts'
import { type LimitDefaults, limitsOf } from './request-limits.ts'

/**
 * How the limits of keys stand.
 *
 * @throws Refusal `not_found`
 * @throws Fault `store_unavailable`; `limiter_unavailable`; `ledger_unavailable`, whose message
 *   says whether the change was made
 */
export interface LimitStatus {
  /** The same service; its changes are recorded as made by this key id, or a name such as `cli`. */
  readonly by: (who: string) => LimitStatus
  /**
   * The status of the limits that every request of a key meets; a route may have more of its own.
   * Takes nothing from them.
   */
  readonly status: (keyId: string) => Promise<readonly LimitView[]>
  /**
   * Forgets what a key has used of its own limits, or of the default in their place, and records
   * it. Its owner's, a route's and everyone's stay, and so does what is under way at once.
   *
   * @param check throws a `Refusal` for a key whose limits stay
   * @returns the status afterwards
   */
  readonly reset: (keyId: string, check?: (record: KeyRecord) => void) => Promise<readonly LimitView[]>
}

export interface LimitStatusOptions {
  readonly store: Pick<KeyStore, 'findKey' | 'findOwner'>
  readonly limiter: Limiter
  readonly defaults: LimitDefaults
  /** Records each reset. */
  readonly changes: ChangeRecorder
}

export function createLimitStatus(options: LimitStatusOptions): LimitStatus {
  const { store, limiter, defaults, changes } = options

  async function readUses(
    keyId: string,
  ): Promise<{ readonly record: KeyRecord; readonly uses: readonly LimitUse[] }> {
    const record = await store.findKey(keyId)
    if (record === undefined) throw unknownKey()
    const owner = await store.findOwner(record.owner)
    return { record, uses: usesOf(limitsOf(record, owner?.limits ?? [], defaults)) }
  }

  async function viewAll(uses: readonly LimitUse[]): Promise<readonly LimitView[]> {
    const { states } = await limiter.peek(uses)
    return states.map(viewLimit)
  }

  return {
    by: (who) => createLimitStatus({ ...options, changes: changes.by(who) }),
    status: async (keyId) => viewAll((await readUses(keyId)).uses),
    async reset(keyId, check) {
      const { record, uses } = await readUses(keyId)
      check?.(record)
      const own = uses.filter(({ scope, limit }) => scope === 'key' && limit.kind !== 'concurrent')
      await changes.ensureWritable()
      await limiter.reset(own)
      const limits = own.map(({ limit, isShadow }) => (isShadow ? `shadow ${limit.text}` : limit.text))
      const { owner } = record
      await changes.record([{ event: 'key.limits_reset', keyId, owner, detail: { limits } }])
      return viewAll(uses)
    },
  }
}
