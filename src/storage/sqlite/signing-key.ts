import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from '../../core/setup-error.ts'
import { publicKeyOf } from '../../ledger/format/checkpoint.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { DataFolder } from './data-folder.ts'
import { readSecretFile } from './secret-file.ts'

const signingKeyFile = 'signing-key'

/**
 * The Ed25519 key that signs checkpoints, from the folder's `signing-key` (0600, PEM, PKCS #8);
 * created if missing. Refusing to start over a lost key would stop every answer for want of a
 * signature; what the old key signed still verifies for those who name its public key.
 *
 * Reports `ledger.signing_key_new` for a new key beside a ledger that existed.
 *
 * @throws SetupError `data_unreadable` if it cannot be read or is no such key; `data_unwritable`
 */
export function openSigningKey(folder: DataFolder, telemetry: Telemetry): KeyObject {
  // Before the key: a process that creates both creates the key first.
  const hadLedger = existsSync(folder.ledgerFile)
  const stored = folder.readSecretFile(signingKeyFile, 'data_unreadable')
  const pem = stored ?? folder.createSecretFile(signingKeyFile, drawSigningKey())
  const key = parseSigningKey(pem, folder.path)
  if (stored === undefined && hadLedger)
    telemetry.event('ledger.signing_key_new', { public_key: publicKeyOf(key) })
  return key
}

/** The public half, base64url; undefined without a key. @throws SetupError `data_unreadable` */
export function readPublicKey(folder: string): string | undefined {
  const pem = readSecretFile(folder, signingKeyFile, 'data_unreadable')
  return pem === undefined ? undefined : publicKeyOf(parseSigningKey(pem, folder))
}

function drawSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function parseSigningKey(pem: string, folder: string): KeyObject {
  const key = readPem(pem)
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new SetupError(
    'data_unreadable',
    `${join(folder, signingKeyFile)}: expected an Ed25519 private key in PEM; restore it from your backup, or remove it to have a new one made`,
  )
}

function readPem(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    // The error may quote the text, which is a secret.
    return undefined
  }
}
