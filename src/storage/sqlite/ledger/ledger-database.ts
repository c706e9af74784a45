import { SetupError } from '../../../core/setup-error.ts'
import type { SqliteDatabase } from '../database.ts'
import { openDatabase, openDatabaseToRead } from '../driver.ts'
import { checkVersion, type DatabaseKind, takeSteps, useWriteAheadLog } from '../prepare-database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { ledgerSteps } from './ledger-schema.ts'

/** In the file's header, to tell it from other programs' databases: `MWld` in ASCII. */
const applicationId = 0x4d576c64
export const ledgerKind: DatabaseKind = { applicationId, knownVersion: ledgerSteps.length, name: 'ledger' }

export interface OpenLedgerDatabaseOptions {
  readonly file: string
  /** How long to wait for another process's lock, milliseconds; the thread is blocked meanwhile. */
  readonly busyTimeoutMs: number
}

/**
 * Opens the ledger's file to write; created with mode 0600 if missing. Several processes may do so
 * at once.
 *
 * @throws SetupError `data_newer`, `data_corrupt` (another program's database) with nothing
 *   touched; `data_missing`, `data_locked`, `data_unwritable`, `data_unreadable`
 */
export function openLedgerDatabase({ file, busyTimeoutMs }: OpenLedgerDatabaseOptions): SqliteDatabase {
  const database = openDatabase({ file, busyTimeoutMs, cacheKiB: 8_192 })
  try {
    const version = checkVersion(database, file, ledgerKind)
    if (version === 0) create(database, file, performance.now() + 5_000)
    else if (version < ledgerKind.knownVersion) takeSteps(database, file, ledgerKind, ledgerSteps)
    // A checkpoint of the log waits for the disk: maintenance does it, beside the commits.
    database.exec('PRAGMA wal_autocheckpoint = 0')
    return database
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

/**
 * Opens the ledger's file to read it, beside its writers.
 *
 * @param isAlone whether it has neither writers nor a log, so that not even a lock file is needed
 * @throws SetupError as `openLedgerDatabase`; `data_corrupt` too for a file that is empty
 */
export function openLedgerDatabaseToRead(file: string, isAlone = false): SqliteDatabase {
  const database = openDatabaseToRead(file, { isAlone })
  try {
    if (checkVersion(database, file, ledgerKind) === 0)
      throw new SetupError('data_corrupt', `${file}: this is no ledger, the file is empty`)
    // Keeps the upper levels of the index: a query of one key looks there once per segment.
    database.exec('PRAGMA cache_size = -16384')
    return database
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

function create(database: SqliteDatabase, file: string, deadline: number): void {
  // Before the first table: it cannot be changed afterwards. Retention gives space back through it.
  database.exec('PRAGMA auto_vacuum = INCREMENTAL')
  useWriteAheadLog(database, file, deadline)
  takeSteps(database, file, ledgerKind, ledgerSteps)
}
