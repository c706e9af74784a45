import { SetupError } from '../../core/setup-error.ts'
import { readValue, type SqliteDatabase } from './database.ts'
import { openDatabase, openDatabaseToRead } from './driver.ts'
import { ledgerSchema } from './ledger-schema.ts'
import { isBusy, setupErrorOf } from './sqlite-error.ts'

/** In the file's header, so that no other program's database is taken for ours: `MWld` in ASCII. */
const applicationId = 0x4d576c64
const knownVersion = 1

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
    if (checkVersion(database, file) === 0) create(database, file, performance.now() + 5_000)
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
    if (checkVersion(database, file) === 0)
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
  useWriteAheadLog(database, deadline)
  database.exec('BEGIN IMMEDIATE')
  try {
    if (checkVersion(database, file) === 0)
      database.exec(
        `${ledgerSchema}; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${knownVersion}`,
      )
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction()) database.exec('ROLLBACK')
    throw error
  }
}

/** The one pragma that fails with BUSY at once, whatever the timeout, when another process does the same. */
function useWriteAheadLog(database: SqliteDatabase, deadline: number): void {
  const timer = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    try {
      database.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error
      Atomics.wait(timer, 0, 0, 5)
    }
  }
}

function checkVersion(database: SqliteDatabase, file: string): number {
  const isEmpty = readValue(database, 'SELECT count(*) FROM sqlite_schema') === 0
  const version = Number(readValue(database, 'PRAGMA user_version'))
  if (!isEmpty && readValue(database, 'PRAGMA application_id') !== applicationId)
    throw new SetupError('data_corrupt', `${file}: this is another program's database`)
  if (version > knownVersion)
    throw new SetupError(
      'data_newer',
      `${file}: the ledger has version ${version}, and this program knows versions up to ${knownVersion}; use the newer program`,
    )
  return version
}
