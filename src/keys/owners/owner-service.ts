import { Refusal } from '../../core/refusal.ts'
import type { Clock } from '../../core/time.ts'
import type { ChangeRecorder } from '../../ledger/write/change-recorder.ts'
import { limitErrors, shortenLimits } from '../../limits/limit-setting.ts'
import { isLabel, labelLengthMax } from '../fields/key-fields.ts'
import type { OwnerRecord } from '../record/owner-record.ts'
import type { KeyStore, OwnerPage, OwnerQuery } from '../store/key-store.ts'

/**
 * The limits that all keys of an owner share. A call that resolves is durable and recorded.
 *
 * @throws Refusal `not_found`; `input_invalid` with every fault at once; `key_conflict`
 * @throws Fault `store_unavailable`; `ledger_unavailable`, whose message says whether the change
 *   was made
 */
export interface OwnerService {
  /** The same service; its changes are recorded as made by this key id, or a name such as `cli`. */
  readonly by: (who: string) => OwnerService
  /** A stored owner. Refuses others with `not_found`, even if they have keys. */
  readonly get: (owner: string) => Promise<OwnerRecord>
  /** Replaces the owner's limits with these, such as `1000/day`; an empty list removes them. */
  readonly set: (owner: string, limits: readonly string[]) => Promise<OwnerRecord>
  /** Stored owners, in the order of their bytes in UTF-8. */
  readonly list: (query: OwnerQuery) => Promise<OwnerPage>
}

export interface OwnerServiceOptions {
  readonly store: Pick<KeyStore, 'findOwner' | 'replaceOwner' | 'listOwners'>
  readonly clock: Clock
  /** Records each change. */
  readonly changes: ChangeRecorder
}

/** How often a change is tried again if another request changed the owner in between. */
const changeTriesMax = 8

export function createOwnerService(options: OwnerServiceOptions): OwnerService {
  const { store, clock, changes } = options
  return {
    by: (who) => createOwnerService({ ...options, changes: changes.by(who) }),
    async get(owner) {
      const record = await store.findOwner(owner)
      if (record === undefined) throw new Refusal('not_found', 'No limits are kept for this owner.')
      return record
    },
    async set(owner, texts) {
      checkOwner(owner, texts)
      const limits = shortenLimits(texts)
      await changes.ensureWritable()
      for (let tries = 0; tries < changeTriesMax; tries += 1) {
        const before = await store.findOwner(owner)
        if (before !== undefined && areSame(before.limits, limits)) return before
        const next = createNext(before, owner, limits, clock())
        const { outcome } = await store.replaceOwner(next)
        if (outcome !== 'replaced') continue
        await changes.record([{ event: 'owner.limits_set', keyId: null, owner, detail: { limits } }])
        return next
      }
      throw new Refusal(
        'key_conflict',
        'The owner was changed by another request at the same time; try again.',
      )
    },
    list: (query) => store.listOwners(query),
  }
}

/** Refuses an invalid owner or limits, with every fault at once. */
export function checkOwner(owner: string, limits: readonly string[]): void {
  const errors = limitErrors(limits).map(({ loc, ...error }) => ({ loc: ['body', ...loc], ...error }))
  if (!isLabel(owner)) {
    const msg = `expected 1 to ${labelLengthMax} printable characters`
    errors.unshift({ loc: ['path', 'owner'], msg, type: 'label' })
  }
  if (errors.length > 0) throw new Refusal('input_invalid', undefined, { errors })
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((limit, index) => limit === others[index])
}

function createNext(
  before: OwnerRecord | undefined,
  owner: string,
  limits: readonly string[],
  now: number,
): OwnerRecord {
  return {
    owner,
    version: (before?.version ?? 0) + 1,
    limits,
    createdAt: before?.createdAt ?? now,
    updatedAt: now,
  }
}
