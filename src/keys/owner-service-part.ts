import type { OwnerPage, OwnerQuery } from './key-store.ts'
import type { OwnerRecord } from './owner-record.ts'

/**
 * The limits that all keys of an owner share. Refuses, by throwing, with `not_found`, `input_invalid` with every fault at once, and
 * `key_conflict`. Faults with `store_unavailable`. What has resolved is durable, and recorded.
 * `ledger_unavailable` says in its message whether the change was made.
 */
export interface OwnerService {
  /** The same service, whose changes are recorded as this one's: a key's id, or a name such as `cli`. */
  readonly by: (who: string) => OwnerService
  /** What is kept of an owner. Refuses with `not_found` where nothing is, whatever keys there are. */
  readonly get: (owner: string) => Promise<OwnerRecord>
  /** Puts limits, such as `1000/day`, in the place of those that the owner has; none takes them away. */
  readonly set: (owner: string, limits: readonly string[]) => Promise<OwnerRecord>
  /** Owners of whom something is kept, in the order of their bytes in UTF-8. */
  readonly list: (query: OwnerQuery) => Promise<OwnerPage>
}
