import { SetupError } from '../../../core/setup-error.ts'
import type { SqliteDatabase } from '../database.ts'
import { openDatabase, openDatabaseToRead } from '../driver.ts'
import { checkVersion, type DatabaseKind, takeSteps, useWriteAheadLog } from '../prepare-database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { jobApplicationId, jobSteps } from './job-schema.ts'

const jobKind: DatabaseKind = {
  applicationId: jobApplicationId,
  knownVersion: jobSteps.length,
  name: 'job database',
}

/** How long to wait for the lock of another process, with the thread blocked. */
const busyTimeoutMs = 1_000
/** Pages of the write-ahead log after which a commit brings it into the file: 16 MiB, so that few commits wait for it. */
const pagesPerCheckpoint = 4_096
const logBytesMax = 64 * 2 ** 20

/**
 * Opens the jobs' file to write, made with mode 0600 where there is none. Safe when several processes do it at once.
 *
 * @throws SetupError `data_newer`, `data_corrupt` (another program's database) with nothing touched; `data_missing`, `data_locked`,
 *   `data_unwritable`, `data_unreadable`
 */
export function openJobDatabase(file: string): SqliteDatabase {
  const database = openDatabase({ file, busyTimeoutMs, cacheKiB: 32_768 })
  try {
    // Before the first table: it cannot be changed afterwards. Space that expiry frees goes back to the disk through it.
    if (checkVersion(database, file, jobKind) === 0) database.exec('PRAGMA auto_vacuum = INCREMENTAL')
    useWriteAheadLog(database, file, performance.now() + 5_000)
    takeSteps(database, file, jobKind, jobSteps)
    // Inputs and results are other people's texts: what is deleted is overwritten where that costs no page more, and what a call may have to undo is
    // not written to a file among the system's temporary ones, where it would cost a quarter of all the time of a job.
    database.exec(
      `PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = ${pagesPerCheckpoint}; PRAGMA journal_size_limit = ${logBytesMax}`,
    )
    return database
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

/**
 * Opens the jobs' file to read it, beside whoever writes it.
 *
 * @throws SetupError as `openJobDatabase`; `data_corrupt` too for a file that is empty
 */
export function openJobDatabaseToRead(file: string): SqliteDatabase {
  const database = openDatabaseToRead(file, { isAlone: false })
  try {
    if (checkVersion(database, file, jobKind) === 0)
      throw new SetupError('data_corrupt', `${file}: this holds no jobs, the file is empty`)
    database.exec('PRAGMA cache_size = -8192')
    return database
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}
