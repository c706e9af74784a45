import type { Clock } from '../../core/time.ts'
import type { Peppers } from '../../secrets/peppers.ts'
import type { EventOrigin, Telemetry } from '../../telemetry/telemetry.ts'
import { createSecretRecord } from '../fields/new-key.ts'
import type { KeyStore } from '../store/key-store.ts'
import type { FoundKey } from './verify-key.ts'

export interface SecretUpgradeOptions {
  readonly store: KeyStore
  readonly peppers: Peppers
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/** When a key from an older pepper is used, stores its digest under the current one. */
export function createSecretUpgrade({ store, peppers, clock, telemetry }: SecretUpgradeOptions) {
  return async ({ record, secret }: FoundKey, sha256: string, of: EventOrigin): Promise<void> => {
    const { digest, pepperVersion } = createSecretRecord(sha256, peppers, secret.createdAt)
    const secrets = record.secrets.map((stored) =>
      stored === secret ? { ...stored, digest, pepperVersion } : stored,
    )
    try {
      // Stale: another request changed the key meanwhile. The next use upgrades it.
      await store.replaceKey({ ...record, secrets, version: record.version + 1, updatedAt: clock() })
    } catch (fault) {
      telemetry.event('keys.upgrade_failed', {}, fault, of)
    }
  }
}
