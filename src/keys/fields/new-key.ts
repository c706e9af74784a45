import { randomBytes } from 'node:crypto'
import { drawBase62 } from '../../core/base62.ts'
import { Fault } from '../../core/fault.ts'
import { hash } from '../../core/hash.ts'
import type { InputError } from '../../core/refusal.ts'
import { defaultScope } from '../../core/scope.ts'
import { shortenLimits } from '../../limits/limit-setting.ts'
import type { Peppers } from '../../secrets/peppers.ts'
import type { KeyRecord, SecretRecord } from '../record/key-record.ts'
import { formatKey, type KeyFormat, keyIdLength, keySecretLength } from '../record/key-text.ts'
import { type KeyFields, keyFieldErrors, namedOwnerErrors, unknownFieldErrors } from './key-fields.ts'
import { readKeyTimes } from './key-times.ts'

/** A key to be created; what is left out has a default. */
export interface NewKey extends Partial<Omit<KeyFields, 'name'>> {
  readonly name: string
  /** @default the deployment's environment */
  readonly environment?: KeyRecord['environment']
}

/** A new secret: the text to hand out, and the record to store. */
export interface DrawnKey {
  readonly text: string
  readonly secret: SecretRecord
}

/** A new public id: 12 base62 characters, 71 bits. The store refuses one that is taken. */
export function drawKeyId(): string {
  return drawBase62(keyIdLength, randomBytes)
}

/** A new key text for this id: 256 random bits, with their digest under the current pepper. */
export function drawKey(format: KeyFormat, id: string, peppers: Peppers, now: number): DrawnKey {
  const text = formatKey(format, { id, secret: drawBase62(keySecretLength, randomBytes) })
  return { text, secret: createSecretRecord(hash('sha256', text), peppers, now) }
}

/**
 * The stored secret of a key text with this SHA-256 in hex: its digest under the current pepper.
 */
export function createSecretRecord(sha256: string, peppers: Peppers, createdAt: number): SecretRecord {
  const digest = peppers.digest(sha256, peppers.current)
  if (digest === undefined) throw new Fault('internal', 'the current pepper is not there')
  return { digest, pepperVersion: peppers.current, createdAt, endsAt: null }
}

/**
 * A new record, with defaults, and every fault of the key. A key without an owner is its own owner.
 * An imported one may have ended before.
 */
export function newKeyRecord(
  format: KeyFormat,
  id: string,
  key: NewKey,
  secret: SecretRecord,
  imported: boolean,
): { readonly record: KeyRecord; readonly errors: readonly InputError[] } {
  const { times, errors } = readKeyTimes(key, secret.createdAt)
  const record: KeyRecord = {
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
    notBefore: times.notBefore ?? null,
    expiresAt: times.expiresAt ?? null,
    disabledAt: null,
    isDisabledByOwner: false,
    revokedAt: null,
    revokedReason: null,
    lastUsedAt: null,
  }
  const issuedAt = imported ? undefined : secret.createdAt
  const unknown = unknownFieldErrors(key, imported ? ['environment', 'sha256'] : ['environment'])
  return {
    record,
    errors: [
      ...unknown,
      ...environmentErrors(record),
      ...keyFieldErrors(record, issuedAt),
      ...namedOwnerErrors(key.owner),
      ...errors,
    ],
  }
}

/** Another word would stand in the key's text, and no guard of this deployment reads such a key. */
function environmentErrors({ environment }: KeyRecord): readonly InputError[] {
  const isKnown = environment === 'live' || environment === 'test'
  return isKnown ? [] : [{ loc: ['environment'], msg: 'expected `live` or `test`', type: 'environment' }]
}
