import type { KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from '../../core/setup-error.ts'
import { publicKeyOf } from '../../ledger/format/checkpoint.ts'
import { drawSigningKey, parseSigningKeys, type SigningKeys } from '../../secrets/signing-key.ts'
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
  const { key } = readSigningKeys(pem, folder.path)
  if (stored === undefined && hadLedger)
    telemetry.event('ledger.signing_key_new', { public_key: publicKeyOf(key) })
  return key
}

/**
 * The public half, base64url, and those of earlier keys that the file has behind the key; none
 * without a key.
 *
 * @throws SetupError `data_unreadable`
 */
export function readPublicKeys(folder: string): readonly string[] {
  const pem = readSecretFile(folder, signingKeyFile, 'data_unreadable')
  if (pem === undefined) return []
  const { key, earlier } = readSigningKeys(pem, folder)
  return [publicKeyOf(key), ...earlier]
}

function readSigningKeys(pem: string, folder: string): SigningKeys {
  try {
    return parseSigningKeys(pem, join(folder, signingKeyFile))
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    const todo = 'restore it from your backup, or remove it to have a new one made'
    throw new SetupError(error.code, `${error.message}; ${todo}`)
  }
}
