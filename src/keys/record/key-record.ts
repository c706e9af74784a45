import type { KeyEnvironment } from './key-text.ts'

/** A stored secret of a key. Times are milliseconds since the epoch, UTC. */
export interface SecretRecord {
  /** 32 bytes: HMAC-SHA-256 of the text's SHA-256, under the pepper of that version. */
  readonly digest: Uint8Array
  /** 1 and up: the pepper that keyed the digest. */
  readonly pepperVersion: number
  readonly createdAt: number
  /** When it was, or will be, replaced by the next secret; null for the current one. */
  readonly endsAt: number | null
}

/** A stored key. Times are milliseconds since the epoch, UTC; null means never. */
export interface KeyRecord {
  /** 12 base62 characters, public, unique. */
  readonly id: string
  /**
   * Counts the changes, from 1. A change names the version it was made from, so that none is lost.
   */
  readonly version: number
  readonly name: string
  /** Opaque, chosen by the user; the key's own id by default. */
  readonly owner: string
  readonly environment: KeyEnvironment
  readonly scopes: readonly string[]
  readonly metadata: Readonly<Record<string, unknown>>
  /** CIDR blocks the caller may come from; empty means anywhere. */
  readonly addresses: readonly string[]
  /** The key's own limits, each in its shortest form; empty means none, null the default. */
  readonly limits: readonly string[] | null
  /**
   * Newest first, 1 to 5. At most two are live: the current one, and the one before until its end.
   */
  readonly secrets: readonly SecretRecord[]
  /**
   * Whether its text came from elsewhere: then it is found by digest, not by the id in the text.
   */
  readonly imported: boolean
  readonly createdAt: number
  readonly updatedAt: number
  readonly notBefore: number | null
  readonly expiresAt: number | null
  readonly disabledAt: number | null
  /**
   * Whether a key of its owner disabled it, and no operator did: only then such a key enables it.
   */
  readonly isDisabledByOwner: boolean
  readonly revokedAt: number | null
  readonly revokedReason: string | null
  /**
   * When its secret was proven last, to the minute. Kept by `KeyStore.noteUses`, and by no change:
   * a key that is added was never used, and one that is replaced keeps what is stored.
   */
  readonly lastUsedAt: number | null
}
