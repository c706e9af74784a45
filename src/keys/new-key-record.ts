import { defaultScope } from '../core/scope.ts'
import { shortenLimits } from '../limits/limit-texts.ts'
import type { KeyRecord, SecretRecord } from './key-record.ts'
import type { NewKey } from './key-service.ts'
import type { KeyFormat } from './key-text.ts'

/** A record from what was asked for, with the defaults. A key without an owner is its own owner. */
export function newKeyRecord(
  format: KeyFormat,
  id: string,
  key: NewKey,
  secret: SecretRecord,
  imported: boolean,
): KeyRecord {
  return {
    id,
    version: 1,
    name: key.name,
    owner: key.owner ?? id,
    environment: key.environment ?? format.environment,
    scopes: key.scopes ?? [defaultScope],
    metadata: key.metadata ?? {},
    addresses: key.addresses ?? [],
    limits: key.limits ? shortenLimits(key.limits) : null,
    secrets: [secret],
    imported,
    createdAt: secret.createdAt,
    updatedAt: secret.createdAt,
    notBefore: key.notBefore ?? null,
    expiresAt: key.expiresAt ?? null,
    disabledAt: null,
    revokedAt: null,
    revokedReason: null,
  }
}
