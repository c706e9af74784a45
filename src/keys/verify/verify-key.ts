import { timingSafeEqual } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import type { Peppers } from '../../secrets/peppers.ts'
import type { KeyRecord, SecretRecord } from '../record/key-record.ts'
import { type KeyFormat, parseKey } from '../record/key-text.ts'
import type { KeyStore } from '../store/key-store.ts'

/** A stored key, with the one of its secrets that was presented. */
export interface FoundKey {
  readonly record: KeyRecord
  readonly secret: SecretRecord
}

/**
 * Why a presented text is no key of ours, for the log and the record. Clients see no difference.
 */
export type InvalidKeyReason = 'malformed' | 'unknown' | 'wrong_secret'

export interface KeyVerifier {
  /**
   * Finds the key of a presented text and verifies its secret, by the text's SHA-256 in hex.
   *
   * @throws Fault `store_unavailable`
   */
  readonly verify: (presented: string, sha256: string) => Promise<FoundKey | InvalidKeyReason>
}

export interface KeyVerifierOptions {
  readonly store: KeyStore
  readonly format: KeyFormat
  readonly peppers: Peppers
  /** Whether imported keys exist: only then is text that is no key of ours looked up. */
  readonly hasImportedKeys: () => boolean
}

/**
 * Longest text that may be a key, in UTF-16 units; longer text is not even hashed. Our keys have at
 * most 80.
 */
export const presentedLengthMax = 512

/** Compared with the secret of an unknown key, so that it takes the same time. */
const dummyDigest = Buffer.alloc(32)

export function createKeyVerifier({
  store,
  format,
  peppers,
  hasImportedKeys,
}: KeyVerifierOptions): KeyVerifier {
  async function findImported(sha256: string): Promise<KeyRecord | undefined> {
    if (!hasImportedKeys()) return undefined
    const digests = peppers.versions.map((version) => digestUnder(peppers, sha256, version))
    const record = await store.findImportedKey(digests)
    // An imported key's environment is in its record, not in its text; it must match all the same.
    return record?.environment === format.environment ? record : undefined
  }

  return {
    async verify(presented, sha256) {
      const parsed = parseKey(presented, format)
      const ours = parsed && (await store.findKey(parsed.id))
      const record = ours ?? (await findImported(sha256))
      if (record !== undefined) {
        const secret = findSecret(record, sha256, peppers)
        return secret === undefined ? 'wrong_secret' : { record, secret }
      }
      if (parsed === undefined) return 'malformed'
      timingSafeEqual(digestUnder(peppers, sha256, peppers.current), dummyDigest)
      return 'unknown'
    },
  }
}

/** The presented secret of the key, compared with each in constant time. */
function findSecret(record: KeyRecord, sha256: string, peppers: Peppers): SecretRecord | undefined {
  let found: SecretRecord | undefined
  let digest: Buffer = dummyDigest
  let digestVersion: number | undefined
  for (const secret of record.secrets) {
    if (secret.pepperVersion !== digestVersion) {
      digestVersion = secret.pepperVersion
      digest = digestUnder(peppers, sha256, digestVersion)
    }
    if (secret.digest.length === digest.length && timingSafeEqual(secret.digest, digest)) found ??= secret
  }
  return found
}

/**
 * The digest under a pepper. A missing pepper is an outage, not a wrong key: clients throw wrong
 * keys away.
 */
function digestUnder(peppers: Peppers, sha256: string, version: number): Buffer {
  const digest = peppers.digest(sha256, version)
  if (digest === undefined)
    throw new Fault('store_unavailable', `a key was made under pepper version ${version}, which is not there`)
  return digest
}
