import type { Idempotency } from '../idempotency/answer-seal.ts'
import type { KeyFields } from './key-fields.ts'
import type { KeyRecord } from './key-record.ts'
import type { KeyPage, KeyQuery } from './key-store.ts'

/** A key to be created: what is left out gets the default. */
export interface NewKey extends Partial<Omit<KeyFields, 'name'>> {
  readonly name: string
  /** @default the deployment's own */
  readonly environment?: KeyRecord['environment']
}

/** A key made elsewhere, known by the SHA-256 of its text. */
export interface NewImportedKey extends NewKey {
  /** SHA-256 of the whole key text: 64 hex characters, or 32 bytes in base64 or base64url. */
  readonly sha256: string
}

/** A key just created or rotated: the only time that its text is known. */
export interface IssuedKey {
  readonly record: KeyRecord
  readonly text: string
}

/** How a key is rotated. */
export interface RotateOptions {
  /** How long the old secret lives on, in milliseconds; never past the key's own expiry. @default 0 */
  readonly overlapMs?: number
  readonly idempotency?: Idempotency
}

/**
 * Everything that changes keys. Refuses, by throwing, with `not_found` for an id that is no key's, `input_invalid` with every
 * fault at once, `key_conflict` for a change that the key's standing does not allow, and `idempotency_mismatch`. Faults
 * with `store_unavailable`. What has resolved is durable, and recorded where the
 * ward has a ledger; a change that was made and could not be recorded faults with `ledger_unavailable`, and its message says so.
 */
export interface KeyService {
  /** The same service, whose changes are recorded as this one's: a key's id, or a name such as `cli`. */
  readonly by: (who: string) => KeyService
  readonly create: (key: NewKey, options?: { readonly idempotency?: Idempotency }) => Promise<IssuedKey>
  /**
   * Creates keys in one commit, all or none. `beforeAdd` gets them while none is in the store yet, for whoever must keep their
   * texts safe first; what it throws keeps them out.
   */
  readonly createAll: (
    keys: readonly NewKey[],
    beforeAdd?: (issued: readonly IssuedKey[]) => void,
  ) => Promise<readonly IssuedKey[]>
  /** Gives the key a new secret under the same id. At most two live: a second rotation in an overlap ends the oldest. */
  readonly rotate: (id: string, options?: RotateOptions) => Promise<IssuedKey>
  /** Takes over keys by their hash, all or none. A hash that was imported before is refused, whatever became of its key. */
  readonly import: (keys: readonly NewImportedKey[]) => Promise<readonly KeyRecord[]>
  /** The key that was imported by this SHA-256, in any of its writings and whatever became of it. */
  readonly findImported: (sha256: string) => Promise<KeyRecord | undefined>
  readonly get: (id: string) => Promise<KeyRecord>
  /** A page of keys. @default the newest 100 */
  readonly list: (query?: Partial<KeyQuery>) => Promise<KeyPage>
  readonly update: (id: string, changes: Partial<KeyFields>) => Promise<KeyRecord>
  readonly disable: (id: string) => Promise<KeyRecord>
  readonly enable: (id: string) => Promise<KeyRecord>
  /** Ends the key for good. Revoking it again changes nothing and gives the first reason. */
  readonly revoke: (id: string, reason?: string) => Promise<KeyRecord>
}
