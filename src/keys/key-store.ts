import type { StoredAnswer, StoredAnswers } from '../idempotency/idempotency-store.ts'
import type { KeyRecord } from './key-record.ts'
import type { KeyStatus } from './key-status.ts'
import type { OwnerRecord } from './owner-record.ts'

/**
 * Where keys, and what is kept of their owners, are: the port that every store implements and `test/contract/` checks.
 *
 * A call that cannot be carried out because the store is out of reach, locked beyond its deadline, full or broken
 * rejects with `Fault('store_unavailable')`. A write has happened wholly and durably when its promise resolves, or not at all.
 */
export interface KeyStore extends StoredAnswers {
  readonly findKey: (id: string) => Promise<KeyRecord | undefined>
  /** The imported key one of whose kept secrets has one of these digests. Not-imported keys are never found this way. */
  readonly findImportedKey: (digests: readonly Uint8Array[]) => Promise<KeyRecord | undefined>
  readonly listKeys: (query: KeyQuery) => Promise<KeyPage>
  /**
   * Adds keys, all of them or none. Refuses with `taken` when an id, or an imported key's digest, is there already, and
   * with the earlier answer when the idempotency entry is.
   */
  readonly addKeys: (records: readonly KeyRecord[], answer?: StoredAnswer) => Promise<AddOutcome>
  /** Replaces a key whose version is still `record.version - 1`. */
  readonly replaceKey: (record: KeyRecord, answer?: StoredAnswer) => Promise<ReplaceOutcome>
  readonly findOwner: (owner: string) => Promise<OwnerRecord | undefined>
  /** Replaces what is kept of an owner whose version is still `record.version - 1`; version 1 adds it where nothing is kept. */
  readonly replaceOwner: (record: OwnerRecord) => Promise<ReplaceOwnerOutcome>
  readonly listOwners: (query: OwnerQuery) => Promise<OwnerPage>
  /** Cheap enough for every 200 ms. What it tells holds for changes by every process and node. */
  readonly readChanges: (since: ChangeCursor | undefined) => Promise<Changes>
  /**
   * Calls the listener soon after any process or node has changed something, so that `readChanges` is
   * asked at once. Only a hint: one may be lost, so readers go on polling, and a cache's lease is
   * renewed by what was read alone. Absent for a store that cannot push. Returns what stops it.
   */
  readonly onChange?: (listener: () => void) => () => void
  /** Settings of the deployment that belong with the keys, such as the check value of each pepper. */
  readonly findSetting: (name: string) => Promise<string | undefined>
  /** Sets it unless it is set already; gives what is set afterwards. */
  readonly addSetting: (name: string, value: string) => Promise<string>
  readonly close: () => Promise<void>
}

/** How far a reader of changes has come. Opaque: it means something to the store that gave it only. */
export type ChangeCursor = number

export interface Changes {
  readonly cursor: ChangeCursor
  /** Ids of the keys that were added or replaced since, and of all keys of an owner that was; `all` where they are too many to tell. Empty at first. */
  readonly keyIds: readonly string[] | 'all'
  /** Whether any imported key exists, so that text that is not a key of ours is worth a look-up. */
  readonly hasImportedKeys: boolean
  /** Whether any key has ever been added. */
  readonly hasKeys: boolean
}

export type AddOutcome =
  | { readonly outcome: 'added' }
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'answered'; readonly answer: StoredAnswer }

export type ReplaceOutcome =
  | { readonly outcome: 'replaced' }
  /** Somebody else changed the key in between, or it is not there: read it again. */
  | { readonly outcome: 'stale' }
  | { readonly outcome: 'answered'; readonly answer: StoredAnswer }

export type ReplaceOwnerOutcome =
  | { readonly outcome: 'replaced' }
  /** Somebody else changed the owner in between: read it again. */
  | { readonly outcome: 'stale' }

/** What a list of keys may be sorted by. */
export type KeySort = 'created_at' | 'updated_at' | 'expires_at' | 'name' | 'id'

export const keySorts: readonly KeySort[] = ['created_at', 'updated_at', 'expires_at', 'name', 'id']

/** Which keys to list, in which order, and where to go on. */
export interface KeyQuery {
  /** Ties are broken by id, in the same direction. Keys that never expire come last either way under `expires_at`. */
  readonly sort: KeySort
  readonly descending: boolean
  /** 1 to 1,000. */
  readonly limit: number
  /** Where the page before ended: the last key's value under `sort`, and its id. */
  readonly after?: { readonly value: string | number | null; readonly id: string }
  readonly owner?: string
  readonly scope?: string
  readonly environment?: 'live' | 'test'
  /** Keys with this status at `now`, milliseconds since the epoch. */
  readonly status?: { readonly is: KeyStatus; readonly now: number }
  /** Keys whose name contains this, letters in any case (ASCII). */
  readonly nameContains?: string
}

/** A page of a list of keys. */
export interface KeyPage {
  readonly keys: readonly KeyRecord[]
  /** Whether another page follows. */
  readonly hasMore: boolean
}

/** Asks for owners of whom something is kept, in the order of their bytes in UTF-8. */
export interface OwnerQuery {
  /** 1 to 1,000. */
  readonly limit: number
  /** The owner that the page before ended with. */
  readonly after?: string
}

/** Owners of whom something is kept, as far as one page goes. */
export interface OwnerPage {
  readonly owners: readonly OwnerRecord[]
  /** Whether another page follows. */
  readonly hasMore: boolean
}
