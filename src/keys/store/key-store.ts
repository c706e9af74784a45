import type { StoredAnswer, StoredAnswers } from '../../idempotency/idempotency-store.ts'
import type { KeyRecord } from '../record/key-record.ts'
import type { KeyStatus } from '../record/key-status.ts'
import type { OwnerRecord } from '../record/owner-record.ts'

/**
 * Keys, their owners' limits and settings: the port that every store implements and
 * `test/contract/` checks.
 *
 * A call rejects with `Fault('store_unavailable')` if the store is unreachable, locked beyond its
 * deadline, full or broken. A write has happened wholly and durably when its promise resolves, or
 * not at all.
 */
export interface KeyStore extends StoredAnswers {
  readonly findKey: (id: string) => Promise<KeyRecord | undefined>
  /** The imported key with a secret of one of these digests. Finds no other keys. */
  readonly findImportedKey: (digests: readonly Uint8Array[]) => Promise<KeyRecord | undefined>
  readonly listKeys: (query: KeyQuery) => Promise<KeyPage>
  /**
   * Adds keys, all or none. `taken`: an id, or an imported key's digest, exists already.
   * `answered`: the idempotency key has a stored answer. `full`: the owner would have more keys
   * than the bound says, counted in the same transaction.
   */
  readonly addKeys: (
    records: readonly KeyRecord[],
    answer?: StoredAnswer,
    bound?: OwnerKeysBound,
  ) => Promise<AddOutcome>
  /**
   * Replaces a key if its stored version is `record.version - 1`, and that of the witness, another
   * key, is still the one that was read.
   */
  readonly replaceKey: (
    record: KeyRecord,
    answer?: StoredAnswer,
    witness?: KeyVersion,
  ) => Promise<ReplaceOutcome>
  /**
   * Notes when keys were used last, at most `keyUsesMax` at once; of several times of a key the
   * latest stays. It is no change: `readChanges` and versions do not know of it. A power cut may
   * lose it. Ids of no key are left out.
   */
  readonly noteUses: (uses: readonly KeyUse[]) => Promise<void>
  readonly findOwner: (owner: string) => Promise<OwnerRecord | undefined>
  /** Replaces an owner if the stored version is `record.version - 1`; version 1 adds it. */
  readonly replaceOwner: (record: OwnerRecord) => Promise<ReplaceOwnerOutcome>
  readonly listOwners: (query: OwnerQuery) => Promise<OwnerPage>
  /** Cheap enough for every 200 ms. Includes changes by every process and node. */
  readonly readChanges: (since: ChangeCursor | undefined) => Promise<Changes>
  /**
   * Calls the listener soon after any process or node has changed something, so that readers call
   * `readChanges` at once; while the store cannot hear of changes, every 200 ms. Only a hint, which
   * may be lost: readers go on polling each second, and only a read renews a cache's lease. Absent
   * if the store cannot push. Returns how to stop it.
   */
  readonly onChange?: (listener: () => void) => () => void
  /** Settings stored with the keys, such as the check value of each pepper. */
  readonly findSetting: (name: string) => Promise<string | undefined>
  /** Sets it unless it is set already; returns the value that is set afterwards. */
  readonly addSetting: (name: string, value: string) => Promise<string>
  readonly close: () => Promise<void>
}

/** How many keys an owner may have, those that are added included. */
export interface OwnerKeysBound {
  readonly owner: string
  /** Most that are not revoked. */
  readonly liveMax: number
  /** Most of all: revoked ones stay stored. */
  readonly storedMax: number
}

/** A key as it was read. */
export interface KeyVersion {
  readonly id: string
  readonly version: number
}

/** How far a reader of changes has come: opaque, of one store. */
export type ChangeCursor = number

export interface Changes {
  readonly cursor: ChangeCursor
  /**
   * Ids of the keys that were added or replaced since, and of all keys of a changed owner; `all` if
   * they are too many to list. Empty at first.
   */
  readonly keyIds: readonly string[] | 'all'
  /** Whether any imported key exists: only then may other text be a key. */
  readonly hasImportedKeys: boolean
  /** Whether any key has ever been added. */
  readonly hasKeys: boolean
}

export type AddOutcome =
  | { readonly outcome: 'added' }
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'full' }
  | { readonly outcome: 'answered'; readonly answer: StoredAnswer }

export type ReplaceOutcome =
  | { readonly outcome: 'replaced' }
  /**
   * Another request changed the key, or the witness, in between, or it does not exist: read again.
   */
  | { readonly outcome: 'stale' }
  | { readonly outcome: 'answered'; readonly answer: StoredAnswer }

export type ReplaceOwnerOutcome =
  | { readonly outcome: 'replaced' }
  /** Another request changed the owner in between: read it again. */
  | { readonly outcome: 'stale' }

/** When a key was used, milliseconds since the epoch. */
export interface KeyUse {
  readonly keyId: string
  readonly at: number
}

/** A store may note them in the thread that answers requests: so many block it for 2 to 5 ms. */
export const keyUsesMax = 256

/** What a list of keys may be sorted by. */
export type KeySort = 'created_at' | 'updated_at' | 'expires_at' | 'last_used_at' | 'name' | 'id'

export const keySorts: readonly KeySort[] = [
  'created_at',
  'updated_at',
  'expires_at',
  'last_used_at',
  'name',
  'id',
]

/** Which keys to list, in which order, and where to continue. */
export interface KeyQuery {
  /**
   * Ties are broken by id, in the same direction. Keys that never expire, or were never used, come
   * last under `expires_at` or `last_used_at`, in either direction.
   */
  readonly sort: KeySort
  readonly descending: boolean
  /** 1 to 1,000. */
  readonly limit: number
  /** Where the previous page ended: the last key's value under `sort`, and its id. */
  readonly after?: { readonly value: string | number | null; readonly id: string } | undefined
  readonly owner?: string | undefined
  readonly scope?: string | undefined
  readonly environment?: 'live' | 'test' | undefined
  /** Keys with this status at `now`, milliseconds since the epoch. */
  readonly status?: { readonly is: KeyStatus; readonly now: number } | undefined
  /** Keys whose name contains this, letters in any case (ASCII). */
  readonly nameContains?: string | undefined
  /**
   * Keys that were not used from this moment on, milliseconds since the epoch, and made before it.
   */
  readonly unusedSince?: number | undefined
}

/** A page of a list of keys. */
export interface KeyPage {
  readonly keys: readonly KeyRecord[]
  /**
   * Ids of keys that are stored here and cannot be believed, such as after damage to the disk: they
   * are not among `keys`. Absent where every key can be. More than a hundred are a fault.
   */
  readonly damaged?: readonly string[]
  /** Whether another page follows. */
  readonly hasMore: boolean
}

/** A page of stored owners, in the order of their bytes in UTF-8. */
export interface OwnerQuery {
  /** 1 to 1,000. */
  readonly limit: number
  /** The owner that the previous page ended with. */
  readonly after?: string
}

/** A page of a list of owners. */
export interface OwnerPage {
  readonly owners: readonly OwnerRecord[]
  /** Owners that are stored here and cannot be believed, as in `KeyPage`. */
  readonly damaged?: readonly string[]
  /** Whether another page follows. */
  readonly hasMore: boolean
}
