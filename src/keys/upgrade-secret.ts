import type { Clock } from '../core/time.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { KeyStore } from './key-store.ts'
import { createSecretRecord } from './new-key.ts'
import type { FoundKey } from './verify-key.ts'

export interface SecretUpgradeOptions {
  readonly store: KeyStore
  readonly peppers: Peppers
  readonly clock: Clock
  /** The upgrade could not be written: the caller is admitted all the same, and the next use tries again. */
  readonly onFault: (fault: unknown) => void
}

/** Puts the digest of a key that was made under an older pepper under the current one when the key is used. */
export function createSecretUpgrade({ store, peppers, clock, onFault }: SecretUpgradeOptions) {
  return async ({ record, secret }: FoundKey, sha256: string): Promise<void> => {
    const { digest, pepperVersion } = createSecretRecord(sha256, peppers, secret.createdAt)
    const secrets = record.secrets.map((kept) =>
      kept === secret ? { ...kept, digest, pepperVersion } : kept,
    )
    try {
      // Stale means that somebody else changed the key meanwhile; the next use upgrades it.
      await store.replaceKey({ ...record, secrets, version: record.version + 1, updatedAt: clock() })
    } catch (fault) {
      onFault(fault)
    }
  }
}
