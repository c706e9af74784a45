import type { Clock } from '../core/time.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { KeyStore } from './key-store.ts'
import { createSecretRecord } from './new-key.ts'
import type { FoundKey } from './verify-key.ts'

export interface SecretUpgradeOptions {
  readonly store: KeyStore
  readonly peppers: Peppers
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/** Puts the digest of a key that was made under an older pepper under the current one when the key is used. */
export function createSecretUpgrade({ store, peppers, clock, telemetry }: SecretUpgradeOptions) {
  return async ({ record, secret }: FoundKey, sha256: string): Promise<void> => {
    const { digest, pepperVersion } = createSecretRecord(sha256, peppers, secret.createdAt)
    const secrets = record.secrets.map((kept) =>
      kept === secret ? { ...kept, digest, pepperVersion } : kept,
    )
    try {
      // Stale means that somebody else changed the key meanwhile; the next use upgrades it.
      await store.replaceKey({ ...record, secrets, version: record.version + 1, updatedAt: clock() })
    } catch (fault) {
      telemetry.event('keys.upgrade_failed', {}, fault)
    }
  }
}
