import type { IdempotentAnswer } from '../../idempotency/idempotency-store.ts'
import type { KeyRecord } from '../../keys/key-record.ts'
import type { OwnerRecord } from '../../keys/owner-record.ts'

/** A key as the store keeps it: a copy, normalised as JSON and UTF-8 would, so that this store differs from no other. */
export function keepKey(key: KeyRecord): KeyRecord {
  return lendKey({
    ...key,
    name: key.name.toWellFormed(),
    owner: key.owner.toWellFormed(),
    scopes: throughJson(key.scopes),
    metadata: throughJson(key.metadata),
    addresses: throughJson(key.addresses),
    limits: throughJson(key.limits),
    revokedReason: key.revokedReason?.toWellFormed() ?? null,
  })
}

/** A frozen key for a caller. Bytes cannot be frozen, so each caller gets its own; a Buffer's `slice` would share them. */
export function lendKey(kept: KeyRecord): KeyRecord {
  const secrets = kept.secrets.map((secret) =>
    Object.freeze({ ...secret, digest: new Uint8Array(secret.digest) }),
  )
  return Object.freeze({ ...kept, secrets: Object.freeze(secrets) })
}

/** What is kept of an owner: a frozen copy, which may be lent as it is. */
export function keepOwner(record: OwnerRecord): OwnerRecord {
  return Object.freeze({
    ...record,
    owner: record.owner.toWellFormed(),
    limits: throughJson(record.limits),
  })
}

/** An answer of its own for the store, and for each caller. */
export function copyAnswer(answer: IdempotentAnswer): IdempotentAnswer {
  return Object.freeze({ ...answer, sealed: new Uint8Array(answer.sealed) })
}

/** A digest as a name for maps. No key id looks like one: those have 12 characters. */
export function digestText(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('base64')
}

function throughJson<T>(value: T): T {
  return freezeDeep(JSON.parse(JSON.stringify(value))) as T
}

function freezeDeep(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) freezeDeep(part)
  return Object.freeze(value)
}
