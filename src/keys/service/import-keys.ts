import { hash } from '../../core/hash.ts'
import { type InputError, Refusal } from '../../core/refusal.ts'
import type { Clock } from '../../core/time.ts'
import type { ChangeRecorder } from '../../ledger/write/change-recorder.ts'
import type { Peppers } from '../../secrets/peppers.ts'
import type { KeyAuthority } from '../authority/key-authority.ts'
import { keyChange } from '../fields/key-change.ts'
import { refuseErrors } from '../fields/key-fields.ts'
import { createSecretRecord, drawKeyId, type NewKey, newKeyRecord } from '../fields/new-key.ts'
import type { KeyRecord } from '../record/key-record.ts'
import type { KeyFormat } from '../record/key-text.ts'
import type { KeyStore } from '../store/key-store.ts'

/** A key from elsewhere, known by the SHA-256 of its text. */
export interface NewImportedKey extends NewKey {
  /** SHA-256 of the whole key text: 64 hex characters, or 32 bytes in base64 or base64url. */
  readonly sha256: string
}

/** Of nothing and of one line's end: what a shell hashes where a variable is not set. */
const emptyHashes: ReadonlySet<string> = new Set(['', '\n', '\r\n'].map((text) => hash('sha256', text)))

/** What creates and changes keys. */
export interface KeyServiceOptions {
  readonly store: KeyStore
  readonly peppers: Peppers
  readonly format: KeyFormat
  readonly clock: Clock
  /** Records each change. */
  readonly changes: ChangeRecorder
  /** What who asks may. @default everything */
  readonly authority?: KeyAuthority | undefined
}

/** The key that was imported by this hash. */
export async function findImported(
  { peppers, store }: KeyServiceOptions,
  sha256: string,
): Promise<KeyRecord | undefined> {
  const hex = parseSha256(sha256)
  if (hex === undefined) return undefined
  return store.findImportedKey(peppers.versions.flatMap((version) => peppers.digest(hex, version) ?? []))
}

/** Imports keys by their hashes, all or none. */
export async function importKeys(
  options: KeyServiceOptions,
  keys: readonly NewImportedKey[],
): Promise<readonly KeyRecord[]> {
  await options.changes.ensureWritable()
  const now = options.clock()
  const drawn = keys.map((key) => drawImportedKey(options, key, now))
  refuseErrors(
    drawn.flatMap(({ errors }, index) =>
      errors.map(({ loc, ...error }) => ({ loc: [index, ...loc], ...error })),
    ),
    ['body'],
  )
  const records = drawn.map(({ record }) => record)
  for (const record of records) options.authority?.checkResult('key.imported', undefined, record)
  // The store recognises a hash only under the same pepper.
  let isTaken = false
  for (const { sha256 } of keys) isTaken ||= (await findImported(options, sha256)) !== undefined
  if (isTaken || (await options.store.addKeys(records)).outcome === 'taken')
    throw new Refusal('key_conflict', 'One of these keys has been imported before, or is there twice.')
  await options.changes.record(records.map((record) => keyChange('key.imported', record)))
  return records
}

/** The key's record, not in the store yet, and every fault of the key. */
function drawImportedKey(
  { format, peppers, authority }: KeyServiceOptions,
  key: NewImportedKey,
  now: number,
): ReturnType<typeof newKeyRecord> {
  const sha256 = parseSha256(key.sha256)
  // That of a wrong hash is refused before it is stored.
  const secret = createSecretRecord(sha256 ?? '', peppers, now)
  const { record, errors } = newKeyRecord(format, drawKeyId(), authority?.readNew(key) ?? key, secret, true)
  return { record, errors: [...sha256Errors(sha256), ...errors] }
}

function sha256Errors(sha256: string | undefined): readonly InputError[] {
  if (sha256 !== undefined && !emptyHashes.has(sha256)) return []
  const expected = 'expected the SHA-256 of the key'
  const msg =
    sha256 === undefined
      ? `${expected}: 64 hex characters, or 32 bytes in base64 or base64url`
      : `${expected}, got that of an empty text: the variable that holds the key may not be set`
  return [{ loc: ['sha256'], msg, type: 'sha256' }]
}

/**
 * Reads a SHA-256 digest in hex, base64 or base64url, padded or not: lower-case hex, or undefined
 * for any other text.
 */
export function parseSha256(text: string): string | undefined {
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return text.toLowerCase()
  if (!/^(?:[0-9A-Za-z+/]{43}|[0-9A-Za-z_-]{43})=?$/.test(text)) return undefined
  // 43 characters are 258 bits, of which the last two are unused.
  return Buffer.from(text, 'base64').toString('hex')
}
