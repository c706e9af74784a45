import { formatBase62 } from '../../core/base62.ts'
import { crc32 } from '../../core/crc32.ts'

/** `live` keys work on live servers, `test` keys on test servers, never the other way round. */
export type KeyEnvironment = 'live' | 'test'

/** What every key of one deployment starts with. */
export interface KeyFormat {
  /** `[a-z][a-z0-9]{1,11}`; secret scanners recognise keys by it. */
  readonly prefix: string
  readonly environment: KeyEnvironment
}

/** The parts of a key text. The checksum has been verified, the secret has not. */
export interface ParsedKey {
  /** 12 base62 characters, public. */
  readonly id: string
  /** 43 base62 characters (256 bits). */
  readonly secret: string
}

export const keyIdLength = 12
export const keySecretLength = 43
const checksumLength = 6
/** Id, underscore, secret and checksum: the part whose length never varies, read from the right. */
const tailLength = keyIdLength + 1 + keySecretLength + checksumLength

const prefixPattern = /^[a-z][a-z0-9]{1,11}$/
const tailPattern = /^[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/
const idPattern = /^[0-9A-Za-z]{12}$/

/** Whether the text may be a deployment's key prefix. */
export function isKeyPrefix(text: string): boolean {
  return prefixPattern.test(text)
}

/** Whether the text has the shape of a key id. */
export function isKeyId(text: string): boolean {
  return idPattern.test(text)
}

/** Writes `<prefix>_<env>_<id>_<secret><checksum>`, 70 characters with a prefix of two. */
export function formatKey(format: KeyFormat, key: ParsedKey): string {
  const body = `${format.prefix}_${format.environment}_${key.id}_${key.secret}`
  return body + checksumOf(body)
}

/**
 * Takes a presented key apart, without I/O: shape, alphabet, checksum, prefix and environment.
 * Read from the right, so that nothing depends on what the prefix contains.
 *
 * @returns undefined for whatever is not a key of this deployment and environment
 */
export function parseKey(presented: string, format: KeyFormat): ParsedKey | undefined {
  const head = presented.length - tailLength
  if (head !== format.prefix.length + format.environment.length + 2) return undefined
  const tail = presented.slice(head)
  if (!tailPattern.test(tail)) return undefined
  if (presented.slice(0, head) !== `${format.prefix}_${format.environment}_`) return undefined
  if (!hasValidChecksum(presented)) return undefined
  return {
    id: tail.slice(0, keyIdLength),
    secret: tail.slice(keyIdLength + 1, keyIdLength + 1 + keySecretLength),
  }
}

/**
 * Whether the last six characters are the checksum of the rest. It finds typos; it is not security.
 */
export function hasValidChecksum(text: string): boolean {
  return checksumOf(text.slice(0, -checksumLength)) === text.slice(-checksumLength)
}

/**
 * A pattern for secret scanners that finds keys of this prefix; confirm with `hasValidChecksum`.
 */
export function keyPattern(prefix: string): RegExp {
  if (!isKeyPrefix(prefix))
    throw new TypeError(`key prefix: expected ${prefixPattern.source}, got ${JSON.stringify(prefix)}`)
  return new RegExp(`\\b${prefix}_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\\b`, 'g')
}

/** CRC-32 (ISO-HDLC, as in zlib and PNG) in six base62 characters. */
function checksumOf(text: string): string {
  return formatBase62(crc32(text), checksumLength)
}
