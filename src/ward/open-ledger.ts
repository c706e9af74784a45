import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from '../core/setup-error.ts'
import { publicKeyOf } from '../ledger/format/checkpoint.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { DataFolder } from '../storage/sqlite/data-folder.ts'
import { openSqliteLedger, type SqliteLedgerOptions } from '../storage/sqlite/ledger/ledger.ts'

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
  { onNewSigningKey, ...options }: FolderLedgerOpening = {},
): Promise<Ledger> {
  const signingKey = openSigningKey(folder, onNewSigningKey)
  return openSqliteLedger({ ...options, file: ledgerFileOf(folder), signingKey })
}

export interface FolderLedgerOpening extends Omit<SqliteLedgerOptions, 'file' | 'signingKey'> {
  /** Told where there was a ledger and no signing key, so that a new one was made: what this means, in a sentence, and its public key. */
  readonly onNewSigningKey?: (message: string, publicKey: string) => void
}

/**
 * The Ed25519 key that signs checkpoints, from the folder's `signing-key` (0600, PEM, PKCS #8); made where there is none. Not to go on
 * where one was lost would stop every answer for want of a signature; what it signed still verifies for whoever names its public key.
 *
 * @param onNew told where a new one was made beside a ledger that was there
 * @throws SetupError `data_unreadable` where the file cannot be read, or holds no such key; `data_unwritable`
 */
export function openSigningKey(
  folder: DataFolder,
  onNew?: FolderLedgerOpening['onNewSigningKey'],
): KeyObject {
  // Looked for first: whoever makes both makes the key first.
  const hasLedger = existsSync(ledgerFileOf(folder))
  const stored = folder.readSecretFile(signingKeyFile, 'data_unreadable')
  const pem = stored ?? folder.createSecretFile(signingKeyFile, drawSigningKey())
  const key = parseSigningKey(pem)
  if (key !== undefined) {
    if (stored === undefined && hasLedger) onNew?.(lostKey, publicKeyOf(key))
    return key
  }
  throw new SetupError(
    'data_unreadable',
    `${join(folder.path, signingKeyFile)}: expected an Ed25519 private key in PEM; restore it from your backup, or remove it to have a new one made`,
  )
}

const lostKey =
  'the ledger was there and its signing key was not, so a new one was made: what the old one signed verifies only with `ledger verify --public-key` and its public key'

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
