import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SetupError } from '../core/setup-error.ts'

/** A new Ed25519 key that signs checkpoints (RFC 8032), as PEM of PKCS #8. */
export function drawSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** The same in one line, for an environment variable: base64url of PKCS #8. */
export function drawSigningKeyLine(): string {
  return generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'der' })
    .toString('base64url')
}

/** Whose signatures are a deployment's own. */
export interface SigningKeys {
  /** Signs: private. */
  readonly key: KeyObject
  /** The public halves of keys that signed before it, 32 bytes in base64url each. */
  readonly earlier: readonly string[]
}

/**
 * Reads a private key as `parseSigningKey` does, and the public halves of earlier ones behind it,
 * if there are: 43 letters and digits each, separated by line ends or commas.
 *
 * @param source what a message starts with
 * @throws SetupError `data_unreadable`, whose message contains none of the text
 */
export function parseSigningKeys(text: string, source: string): SigningKeys {
  const trimmed = text.trim()
  const end = endOfKey(trimmed)
  const key = parseSigningKey(trimmed.slice(0, end), source)
  const earlier = trimmed
    .slice(end)
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
  for (const entry of earlier)
    if (!isPublicKey(entry))
      throw new SetupError(
        'data_unreadable',
        `${source}: expected the public halves of earlier keys behind the key, 43 letters and digits in base64url each`,
      )
  return { key, earlier }
}

/** Where the private key ends: PEM has line ends of its own. */
function endOfKey(text: string): number {
  if (!text.startsWith('-')) return `${text} `.search(/[\s,]/)
  const last = text.indexOf('-----END')
  const end = text.indexOf('-----', last + '-----END'.length)
  return last === -1 || end === -1 ? text.length : end + '-----'.length
}

/** Whether a text is the public half of a signing key: 32 bytes in base64url. */
export function isPublicKey(text: string): boolean {
  return /^[\w-]{43}$/.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text
}

/**
 * Reads an Ed25519 private key: PEM, or the line that `drawSigningKeyLine` gives.
 *
 * @param source what a message starts with
 * @throws SetupError `data_unreadable`, whose message contains none of the text
 */
export function parseSigningKey(text: string, source: string): KeyObject {
  const key = readKey(text.trim())
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new SetupError('data_unreadable', `${source}: expected an Ed25519 private key`)
}

function readKey(text: string): KeyObject | undefined {
  try {
    return /^[0-9A-Za-z_-]+=*$/.test(text)
      ? createPrivateKey({ key: Buffer.from(text, 'base64url'), format: 'der', type: 'pkcs8' })
      : createPrivateKey(text)
  } catch {
    // The error may quote the text, which is a secret.
    return undefined
  }
}
