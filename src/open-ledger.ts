import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import type { Ledger } from './core/ledger.ts'
import { SetupError } from './core/setup-error.ts'
import type { DataFolder } from './stores/sqlite/data-folder.ts'
import { openSqliteLedger, type SqliteLedgerOptions } from './stores/sqlite/ledger.ts'

const signingKeyFile = 'signing-key'

/** Where the ledger of a data folder is. */
export function ledgerFileOf(folder: Pick<DataFolder, 'path'>): string {
  return join(folder.path, 'ledger.db')
}

/**
 * Opens the ledger of a data folder to write it, and its signing key; makes both where there are none.
 *
 * @throws SetupError as `openSigningKey` and `openSqliteLedger`
 */
export async function openFolderLedger(
  folder: DataFolder,
  options: Omit<SqliteLedgerOptions, 'file' | 'signingKey'> = {},
): Promise<Ledger> {
  const signingKey = openSigningKey(folder)
  return openSqliteLedger({ ...options, file: ledgerFileOf(folder), signingKey })
}

/**
 * The Ed25519 key that signs checkpoints, from the folder's `signing-key` (0600, PEM, PKCS #8); made where there is none. A lost one
 * takes nothing away: what it signed still verifies, and the next checkpoint names the new one.
 *
 * @throws SetupError `data_unreadable` where the file cannot be read, or holds no such key; `data_unwritable`
 */
export function openSigningKey(folder: DataFolder): KeyObject {
  const pem =
    folder.readSecretFile(signingKeyFile, 'data_unreadable') ??
    folder.createSecretFile(signingKeyFile, drawSigningKey())
  const key = parseSigningKey(pem)
  if (key !== undefined) return key
  throw new SetupError(
    'data_unreadable',
    `${join(folder.path, signingKeyFile)}: expected an Ed25519 private key in PEM; restore it from your backup, or remove it to have a new one made`,
  )
}

function drawSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function parseSigningKey(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyType === 'ed25519' ? key : undefined
  } catch {
    // The error may hold parts of the text, which is a secret.
    return undefined
  }
}
