import { Refusal } from '../core/refusal.ts'
import type { KeyServiceOptions } from './create-key-service.ts'
import { keyChange } from './key-change.ts'
import { checkKeyFields } from './key-fields.ts'
import type { KeyRecord } from './key-record.ts'
import type { NewImportedKey } from './key-service.ts'
import { createSecretRecord, drawKeyId } from './new-key.ts'
import { newKeyRecord } from './new-key-record.ts'
import { parseSha256 } from './parse-sha256.ts'

/** The key that was imported by this hash. */
export async function findImported(
  { peppers, store }: KeyServiceOptions,
  sha256: string,
): Promise<KeyRecord | undefined> {
  const hex = parseSha256(sha256)
  if (hex === undefined) return undefined
  return store.findImportedKey(peppers.versions.flatMap((version) => peppers.digest(hex, version) ?? []))
}

/** Takes over keys by their hashes, all or none. */
export async function importKeys(
  options: KeyServiceOptions,
  keys: readonly NewImportedKey[],
): Promise<readonly KeyRecord[]> {
  await options.changes.ensureWritable()
  const now = options.clock()
  const records = keys.map((key, index) => {
    const sha256 = parseSha256(key.sha256)
    if (sha256 === undefined) {
      const msg = 'expected the SHA-256 of the key: 64 hex characters, or 32 bytes in base64 or base64url'
      throw new Refusal('input_invalid', undefined, {
        errors: [{ loc: ['body', index, 'sha256'], msg, type: 'sha256' }],
      })
    }
    const secret = createSecretRecord(sha256, options.peppers, now)
    const record = newKeyRecord(options.format, drawKeyId(), key, secret, true)
    checkKeyFields(record, ['body', index])
    return record
  })
  // The store sees a hash again only under the same pepper.
  let isTaken = false
  for (const { sha256 } of keys) isTaken ||= (await findImported(options, sha256)) !== undefined
  if (isTaken || (await options.store.addKeys(records)).outcome === 'taken')
    throw new Refusal('key_conflict', 'One of these keys has been imported before, or is there twice.')
  await options.changes.record(records.map((record) => keyChange('key.imported', record)))
  return records
}
