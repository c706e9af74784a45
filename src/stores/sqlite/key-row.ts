import { Fault } from '../../core/fault.ts'
import type { KeyRecord, SecretRecord } from '../../core/key-record.ts'
import type { SqlValue } from './database.ts'

/** A row of `keys`. */
export interface KeyRow {
  readonly id: string
  readonly version: number
  readonly name: string
  readonly owner: string
  readonly environment: KeyRecord['environment']
  readonly scopes: string
  readonly metadata: string
  readonly addresses: string
  readonly secrets: Uint8Array
  readonly imported: number
  readonly created_at: number
  readonly updated_at: number
  readonly not_before: number | null
  readonly expires_at: number | null
  readonly disabled_at: number | null
  readonly revoked_at: number | null
  readonly revoked_reason: string | null
}

/** The columns of a key in the order of `encodeKey`; the id comes last, as an UPDATE wants it. */
export const keyColumns: readonly (keyof KeyRow)[] = [
  'version',
  'name',
  'owner',
  'environment',
  'scopes',
  'metadata',
  'addresses',
  'secrets',
  'imported',
  'created_at',
  'updated_at',
  'not_before',
  'expires_at',
  'disabled_at',
  'revoked_at',
  'revoked_reason',
  'id',
]

/** A key as the values of `keyColumns`. */
export function encodeKey(key: KeyRecord): SqlValue[] {
  return [
    key.version,
    key.name,
    key.owner,
    key.environment,
    JSON.stringify(key.scopes),
    JSON.stringify(key.metadata),
    JSON.stringify(key.addresses),
    encodeSecrets(key.secrets),
    key.imported ? 1 : 0,
    key.createdAt,
    key.updatedAt,
    key.notBefore,
    key.expiresAt,
    key.disabledAt,
    key.revokedAt,
    key.revokedReason,
    key.id,
  ]
}

/**
 * A row as a frozen key.
 *
 * @throws Fault `store_unavailable` where the row cannot be read: it was not written by this program
 */
export function decodeKey(row: KeyRow): KeyRecord {
  try {
    return Object.freeze({
      id: row.id,
      version: row.version,
      name: row.name,
      owner: row.owner,
      environment: row.environment,
      scopes: parseFrozen<readonly string[]>(row.scopes),
      metadata: parseFrozen<Readonly<Record<string, unknown>>>(row.metadata),
      addresses: parseFrozen<readonly string[]>(row.addresses),
      secrets: decodeSecrets(row.secrets),
      imported: row.imported === 1,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      notBefore: row.not_before,
      expiresAt: row.expires_at,
      disabledAt: row.disabled_at,
      revokedAt: row.revoked_at,
      revokedReason: row.revoked_reason,
    })
  } catch (error) {
    throw new Fault('store_unavailable', `key ${row.id}: its row cannot be read`, { cause: error })
  }
}

const emptyArray: readonly never[] = Object.freeze([])
const emptyObject: Readonly<Record<string, never>> = Object.freeze({})

function parseFrozen<T>(text: string): T {
  // Most keys have no metadata and no address list.
  if (text === '[]') return emptyArray as T
  if (text === '{}') return emptyObject as T
  return freezeDeep(JSON.parse(text)) as T
}

function freezeDeep(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) freezeDeep(part)
  return Object.freeze(value)
}

const digestLength = 32
/** Digest, then the pepper's version, the creation and the end (NaN: none) as little-endian doubles. */
const secretLength = digestLength + 3 * 8

function encodeSecrets(secrets: readonly SecretRecord[]): Uint8Array {
  const bytes = Buffer.alloc(secrets.length * secretLength)
  for (const [index, secret] of secrets.entries()) {
    if (secret.digest.length !== digestLength)
      throw new RangeError(`secret digest: expected ${digestLength} bytes, got ${secret.digest.length}`)
    const at = index * secretLength
    bytes.set(secret.digest, at)
    bytes.writeDoubleLE(secret.pepperVersion, at + digestLength)
    bytes.writeDoubleLE(secret.createdAt, at + digestLength + 8)
    bytes.writeDoubleLE(secret.endsAt ?? Number.NaN, at + digestLength + 16)
  }
  return bytes
}

function decodeSecrets(bytes: Uint8Array): readonly SecretRecord[] {
  if (bytes.length === 0 || bytes.length % secretLength !== 0)
    throw new RangeError(`secrets: expected a multiple of ${secretLength} bytes, got ${bytes.length}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const secrets: SecretRecord[] = []
  for (let at = 0; at < bytes.length; at += secretLength) {
    const endsAt = view.getFloat64(at + digestLength + 16, true)
    secrets.push(
      Object.freeze({
        digest: bytes.subarray(at, at + digestLength),
        pepperVersion: view.getFloat64(at + digestLength, true),
        createdAt: view.getFloat64(at + digestLength + 8, true),
        endsAt: Number.isNaN(endsAt) ? null : endsAt,
      }),
    )
  }
  return Object.freeze(secrets)
}
