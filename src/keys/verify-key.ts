import { timingSafeEqual } from 'node:crypto'
import { Fault } from '../core/fault.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { KeyRecord, SecretRecord } from './key-record.ts'
import type { KeyStore } from './key-store.ts'
import { type KeyFormat, parseKey } from './key-text.ts'

/** A key found in the store, with the one of its secrets that was presented. */
export interface FoundKey {
  readonly record: KeyRecord
  readonly secret: SecretRecord
}

/** Why a presented text is not a key of ours: for the log and the record; the client is told the same thing for all. */
export type InvalidKeyReason = 'malformed' | 'unknown' | 'wrong_secret'

export interface KeyVerifier {
  /** Finds the key of a presented text and verifies its secret, by the text's SHA-256 in hex. Rejects with `Fault('store_unavailable')` when the store is out. */
  readonly verify: (presented: string, sha256: string) => Promise<FoundKey | InvalidKeyReason>
}

export interface KeyVerifierOptions {
  readonly store: KeyStore
  readonly format: KeyFormat
  readonly peppers: Peppers
  /** Whether the store holds keys imported from elsewhere; only then is text that is no key of ours looked up. */
  readonly hasImportedKeys: () => boolean
}

/** Longest text that may be a key, in UTF-16 units; longer text is not even hashed. Ours have at most 80, imported ones vary. */
export const presentedLengthMax = 512

/** What a secret is compared with when there is no such key, so that both take the same time. */
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
    // A key of the other environment gets in by no way: here the record says where it belongs, not the text.
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

/** The secret of the key that the text is, compared in constant time with each that is kept. */
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

/** A pepper that is gone is an outage, not a wrong key: telling the customer so would have a good key thrown away. */
function digestUnder(peppers: Peppers, sha256: string, version: number): Buffer {
  const digest = peppers.digest(sha256, version)
  if (digest === undefined)
    throw new Fault('store_unavailable', `a key was made under pepper version ${version}, which is not there`)
  return digest
}
