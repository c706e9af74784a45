import type { Ledger } from '../../src/ledger/ledger.ts'
import type { DataFolder } from '../../src/storage/sqlite/data-folder.ts'
import { openSqliteLedger, type SqliteLedgerOptions } from '../../src/storage/sqlite/ledger/ledger.ts'
import { openSigningKey } from '../../src/storage/sqlite/signing-key.ts'
import { noTelemetry } from '../../src/telemetry/telemetry.ts'

export type FolderLedgerOptions = Omit<SqliteLedgerOptions, 'file' | 'signingKey'>

/** The ledger of a data folder and its signing key, without the rest of the folder's storage. */
export async function openFolderLedger(
  folder: DataFolder,
  options: FolderLedgerOptions = {},
): Promise<Ledger> {
  const signingKey = openSigningKey(folder, options.telemetry ?? noTelemetry)
  return openSqliteLedger({ ...options, file: folder.ledgerFile, signingKey })
}
