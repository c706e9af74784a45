import type { Ledger } from '../../src/ledger/ledger.ts'
import type { DataFolder } from '../../src/storage/sqlite/data-folder.ts'
import { openSqliteLedger, type SqliteLedgerOptions } from '../../src/storage/sqlite/ledger/ledger.ts'
import { openSigningKey } from '../../src/storage/sqlite/signing-key.ts'

export interface FolderLedgerOptions extends Omit<SqliteLedgerOptions, 'file' | 'signingKey'> {
  readonly onNewSigningKey?: (message: string, publicKey: string) => void
}

/** The ledger of a data folder and its signing key, without the rest of the folder's storage. */
export async function openFolderLedger(
  folder: DataFolder,
  { onNewSigningKey, ...options }: FolderLedgerOptions = {},
): Promise<Ledger> {
  const signingKey = openSigningKey(folder, onNewSigningKey)
  return openSqliteLedger({ ...options, file: folder.ledgerFile, signingKey })
}
