import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { SetupError } from '../core/setup-error.ts'

/**
 * The peppers of a deployment: secrets outside the database, so that writing to the database alone
 * cannot create a key.
 */
export interface Peppers {
  /** The version of new digests: the highest. */
  readonly current: number
  /** The lowest version: the MACs of rows are under it, so that it stays. */
  readonly first: number
  /** Every version, newest first. */
  readonly versions: readonly number[]
  /**
   * The stored digest of a key, 32 bytes: HMAC-SHA-256, under a pepper, of the SHA-256 of the key's
   * text in lower-case hex. It is of the hash and not of the text, so that an imported key, known
   * by its hash alone, is stored the same way. Undefined for an unknown version.
   */
  readonly digest: (sha256: string, version: number) => Buffer | undefined
  /**
   * A key for another purpose, derived from a pepper (HKDF-SHA-256, RFC 5869): from the current
   * one, or from the version that something was sealed under.
   *
   * @throws SetupError `pepper_missing` for an unknown version
   */
  readonly derive: (purpose: string, version?: number) => KeyObject
  /** Proves that a pepper is the one that a database was made with, without revealing it. */
  readonly checkValue: (version: number) => string
  /**
   * The same of a database whose rows have no MACs. One whose rows have them never held it, and
   * it takes the pepper to make: no program that takes MACs away can pretend there were none.
   */
  readonly checkValueWithoutMacs: (version: number) => string
}

const pepperBytes = 32

/** A new pepper as the pepper file stores it, `1:<base64url>`. */
export function drawPepper(version: number): string {
  return `${version}:${randomBytes(pepperBytes).toString('base64url')}`
}

/**
 * Reads the text of the pepper file or the environment variable: `<version>:<base64url of 32 bytes
 * or more>`, separated by line ends or commas.
 *
 * @throws SetupError `pepper_unreadable`, whose message contains none of the text
 */
export function parsePeppers(text: string, source: string): Peppers {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '')
  const keys = new Map<number, KeyObject>()
  for (const [index, entry] of entries.entries()) {
    const [, digits, encoded] = /^([1-9]\d{0,5}):([0-9A-Za-z_-]+)=*$/.exec(entry) ?? []
    const bytes = Buffer.from(encoded ?? '', 'base64url')
    const version = Number(digits)
    if (digits === undefined || bytes.length < pepperBytes || keys.has(version)) {
      throw new SetupError(
        'pepper_unreadable',
        `the pepper in ${source}: entry ${index + 1}: expected a version of its own, a colon and at least ${pepperBytes} bytes in base64url`,
      )
    }
    keys.set(version, createSecretKey(bytes))
  }
  if (keys.size === 0)
    throw new SetupError('pepper_unreadable', `the pepper in ${source}: expected at least one, got none`)
  return createPeppers(keys)
}

function createPeppers(keys: ReadonlyMap<number, KeyObject>): Peppers {
  const versions = [...keys.keys()].sort((a, b) => b - a)
  const [current = 0] = versions
  const first = versions.at(-1) ?? 0
  function keyOf(version: number): KeyObject {
    const key = keys.get(version)
    if (key === undefined) throw new SetupError('pepper_missing', `pepper version ${version} is not there`)
    return key
  }
  return {
    current,
    first,
    versions,
    digest(sha256, version) {
      const key = keys.get(version)
      // A KeyObject: a Buffer key is set up anew on each call and takes ten times as long.
      return key && createHmac('sha256', key).update(sha256).digest()
    },
    derive: (purpose, version = current) =>
      createSecretKey(
        Buffer.from(hkdfSync('sha256', keyOf(version), '', `modelward ${purpose}`, pepperBytes)),
      ),
    checkValue: (version) => checkUnder(keyOf(version), 'modelward pepper check v3'),
    checkValueWithoutMacs: (version) => checkUnder(keyOf(version), 'modelward pepper check v2'),
  }
}

function checkUnder(key: KeyObject, purpose: string): string {
  return createHmac('sha256', key).update(purpose).digest('base64url')
}
