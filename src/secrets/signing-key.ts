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
