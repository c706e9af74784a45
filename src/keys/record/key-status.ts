import type { KeyRecord } from './key-record.ts'

/** A key's status at a moment. Only an active key is admitted. */
export type KeyStatus = 'active' | 'disabled' | 'not_yet_valid' | 'expired' | 'revoked'

export const keyStatuses: readonly KeyStatus[] = ['active', 'disabled', 'not_yet_valid', 'expired', 'revoked']

/** What a key's status is derived from. */
export type KeyStatusFields = Pick<KeyRecord, 'notBefore' | 'expiresAt' | 'disabledAt' | 'revokedAt'>

/**
 * Returns a key's status. The most final one wins: a key both revoked and expired is revoked.
 *
 * @param now milliseconds since the epoch; a key expires at its `expiresAt`, not after it
 */
export function keyStatusAt(key: KeyStatusFields, now: number): KeyStatus {
  if (key.revokedAt !== null) return 'revoked'
  if (key.expiresAt !== null && now >= key.expiresAt) return 'expired'
  if (key.disabledAt !== null) return 'disabled'
  if (key.notBefore !== null && now < key.notBefore) return 'not_yet_valid'
  return 'active'
}
