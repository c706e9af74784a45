import { Fault } from '../../core/fault.ts'
import type { KeyRecord, SecretRecord } from '../../keys/record/key-record.ts'
import type { Cell } from '../../secrets/row-macs.ts'
import { parseFrozen } from '../parse-frozen.ts'
import type { BelievedRows } from './believed-rows.ts'

/** The cells of a key that a change writes, in the order of `keyColumns`. */
export type ChangedCells = readonly [
  version: number,
  name: string,
  owner: string,
  environment: KeyRecord['environment'],
  scopes: string,
  metadata: string,
  addresses: string,
  secrets: Uint8Array,
  imported: number,
  createdAt: number,
  updatedAt: number,
  notBefore: number | null,
  expiresAt: number | null,
  disabledAt: number | null,
  revokedAt: number | null,
  revokedReason: string | null,
  limits: string | null,
  disabledBy: 'owner' | null,
  id: string,
]

/** The cells of a key, in the order of `readColumns`. */
export type KeyCells = readonly [
  ...ChangedCells,
  lastUsedAt: number | null,
  change: number,
  mac: Uint8Array | null,
]

/** The columns that a change writes; the id comes last, as UPDATE needs it. */
export const keyColumns: readonly string[] = [
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
  'limits',
  'disabled_by',
  'id',
]

/** All columns of a key. */
export const readColumns: readonly string[] = [...keyColumns, 'last_used_at', 'change', 'mac']

/** The MAC of a key's row: of all that a change writes, and of the change's number. */
export function macOfKey(rows: BelievedRows, cells: ChangedCells, change: number): Uint8Array {
  return rows.macOf('key', believedCells(cells, change))
}

/** Rows of before `disabled_by` keep their MACs: it is the last cell, and none where it is null. */
function believedCells(cells: readonly Cell[], change: number): readonly Cell[] {
  const [disabledBy = null, id = null] = cells.slice(17)
  const believed = [...cells.slice(0, 17), id, change]
  return disabledBy === null ? believed : [...believed, disabledBy]
}

/** A key as the cells that a change writes. */
export function encodeKey(key: KeyRecord): ChangedCells {
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
    key.limits === null ? null : JSON.stringify(key.limits),
    key.isDisabledByOwner ? 'owner' : null,
    key.id,
  ]
}

/**
 * A row as a frozen key.
 *
 * @throws Fault `store_unavailable` for a row that this program did not write
 */
export function decodeKey(rows: BelievedRows, cells: KeyCells): KeyRecord {
  rows.check('key', cells[18], believedCells(cells, cells[20]), cells[21])
  try {
    return Object.freeze({
      id: cells[18],
      version: cells[0],
      name: cells[1],
      owner: cells[2],
      environment: cells[3],
      scopes: parseFrozen<readonly string[]>(cells[4]),
      metadata: parseFrozen<Readonly<Record<string, unknown>>>(cells[5]),
      addresses: parseFrozen<readonly string[]>(cells[6]),
      limits: cells[16] === null ? null : parseFrozen<readonly string[]>(cells[16]),
      secrets: decodeSecrets(cells[7]),
      imported: cells[8] === 1,
      createdAt: cells[9],
      updatedAt: cells[10],
      notBefore: cells[11],
      expiresAt: cells[12],
      disabledAt: cells[13],
      isDisabledByOwner: cells[17] === 'owner',
      revokedAt: cells[14],
      revokedReason: cells[15],
      lastUsedAt: cells[19],
    })
  } catch (error) {
    throw new Fault('store_unavailable', `key ${cells[18]}: its row cannot be read`, { cause: error })
  }
}

const digestLength = 32
/**
 * Digest, then the pepper's version, the creation and the end (NaN: none): little-endian doubles.
 */
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
