import { SetupError } from '../../../core/setup-error.ts'
import type { SqliteDatabase } from '../database.ts'
import { openDatabase, openDatabaseToRead } from '../driver.ts'
import { checkVersion, type DatabaseKind, takeSteps, useWriteAheadLog } from '../prepare-database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { ledgerSchema } from './ledger-schema.ts'

/** In the file's header, so that no other program's database is taken for ours: `MWld` in ASCII. */
const applicationId = 0x4d576c64
const knownVersion = 1
const ledgerKind: DatabaseKind = { applicationId, knownVersion, name: 'ledger' }

export interface OpenLedgerDatabaseOptions {
  readonly file: string
  /** How long to wait for another's lock, milliseconds, with the thread blocked. */
  readonly busyTimeoutMs: number
}

/**
 * Opens the ledger's file to write, made with mode 0600 where there is none. Safe when several processes do it at once.
 *
 * @throws SetupError `data_newer`, `data_corrupt` (another program's database) with nothing touched; `data_missing`, `data_locked`,
 *   `data_unwritable`, `data_unreadable`
 */
export function openLedgerDatabase({ file, busyTimeoutMs }: OpenLedgerDatabaseOptions): SqliteDatabase {
  const database = openDatabase({ file, busyTimeoutMs, cacheKiB: 8_192 })
  try {
    if (checkVersion(database, file, ledgerKind) === 0) create(database, file, performance.now() + 5_000)
    // A checkpoint of the write-ahead log waits for the disk: the keeper does it, beside the commits.
    database.exec('PRAGMA wal_autocheckpoint = 0')
    return database
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

/**
 * Opens the ledger's file to read it, beside whoever writes it.
 *
 * @param isAlone whether nobody writes it and none of it is in a log beside it, so that not even a lock file is made there
 * @throws SetupError as `openLedgerDatabase`; `data_corrupt` too for a file that is empty
 */
export function openLedgerDatabaseToRead(file: string, isAlone = false): SqliteDatabase {
  const database = openDatabaseToRead(file, { isAlone })
  try {
    if (checkVersion(database, file, ledgerKind) === 0)
      throw new SetupError('data_corrupt', `${file}: this is no ledger, the file is empty`)
    // The upper levels of the index stay at hand; a query of one key looks there once for each span.
    database.exec('PRAGMA cache_size = -16384')
    return database
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

function create(database: SqliteDatabase, file: string, deadline: number): void {
  // Before the first table: it cannot be changed afterwards. Space that retention frees goes back to the disk through it.
  database.exec('PRAGMA auto_vacuum = INCREMENTAL')
  useWriteAheadLog(database, file, deadline)
  takeSteps(database, file, ledgerKind, [ledgerSchema])
}
