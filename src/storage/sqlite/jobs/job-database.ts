import { SetupError } from '../../../core/setup-error.ts'
import type { SqliteDatabase } from '../database.ts'
import { openDatabase, openDatabaseToRead } from '../driver.ts'
import { checkVersion, type DatabaseKind, takeSteps, useWriteAheadLog } from '../prepare-database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { type WatchedFiles, watchFiles } from '../watched-files.ts'
import { jobApplicationId, jobSteps } from './job-schema.ts'

const jobKind: DatabaseKind = {
  applicationId: jobApplicationId,
  knownVersion: jobSteps.length,
  name: 'job database',
}

/** How long to block the thread for a lock of another process. */
const busyTimeoutMs = 1_000
/**
 * Pages of the write-ahead log after which a commit checkpoints it: 16 MiB, so that few commits
 * wait for it.
 */
const pagesPerCheckpoint = 4_096
const logBytesMax = 64 * 2 ** 20

/**
 * Opens the jobs' file to write; creates it with mode 0600 if missing. Several processes may do it
 * at once.
 *
 * @throws SetupError `data_newer`, `data_corrupt` (another program's database) with nothing
 *   touched; `data_missing`, `data_locked`, `data_unwritable`, `data_unreadable`
 */
export function openJobDatabase(file: string): SqliteDatabase {
  const database = openDatabase({ file, busyTimeoutMs, cacheKiB: 32_768 })
  try {
    // Before the first table: it cannot be changed later. It returns the space of expired jobs to
    // the disk.
    if (checkVersion(database, file, jobKind) === 0) database.exec('PRAGMA auto_vacuum = INCREMENTAL')
    useWriteAheadLog(database, file, performance.now() + 5_000)
    takeSteps(database, file, jobKind, jobSteps)
    // Inputs and results are users' texts: deleted ones are overwritten if that costs no extra
    // page, and undo data does not go to a temporary file, which would cost a quarter of a job's
    // time.
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
 * Opens the jobs' file to read it, beside its writers.
 *
 * @throws SetupError as `openJobDatabase`; `data_corrupt` also for an empty file
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

/** A database that a thread opens at its first call, and again after an opening that failed. */
export interface LazyDatabase<Parts> {
  readonly use: () => Parts & { readonly database: SqliteDatabase; readonly files: WatchedFiles }
  readonly close: () => void
}

/**
 * @param prepare what the calls need of the open database
 * @param isWriter whether it writes: only then can it compare the log with what it holds
 */
export function createLazyDatabase<Parts>(
  file: string,
  open: (file: string) => SqliteDatabase,
  prepare: (database: SqliteDatabase) => Parts,
  isWriter = false,
): LazyDatabase<Parts> {
  let opened: ReturnType<LazyDatabase<Parts>['use']> | undefined
  function openNow(): ReturnType<LazyDatabase<Parts>['use']> {
    const database = open(file)
    try {
      return { ...prepare(database), database, files: watchFiles(file, isWriter ? database : undefined) }
    } catch (error) {
      database.close()
      throw error
    }
  }
  return {
    use() {
      opened ??= openNow()
      return opened
    },
    close() {
      opened?.database.close()
      opened = undefined
    },
  }
}
