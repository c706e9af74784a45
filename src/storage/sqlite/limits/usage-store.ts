import { Fault } from '../../../core/fault.ts'
import { SetupError } from '../../../core/setup-error.ts'
import type { Clock } from '../../../core/time.ts'
import { countReserve, isExpired } from '../../../limits/stored-usage.ts'
import type { UsageStore } from '../../../limits/usage-store.ts'
import type { SqliteDatabase } from '../database.ts'
import { openDatabase } from '../driver.ts'
import { faultOf, setupErrorOf } from '../sqlite-error.ts'
import { inTransaction } from '../transaction.ts'
import { type WatchedFiles, watchFiles } from '../watched-files.ts'
import { prepareUsageDatabase } from './usage-schema.ts'
import { createUsageTable, type UsageTable } from './usage-table.ts'

export interface SqliteUsageStoreOptions {
  /**
   * The database file; created with mode 0600 if missing. Its folder must exist, on a local disk.
   */
  readonly file: string
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock | undefined
}

/** Rows checked for being over, at once. */
const sweptMax = 100
/** Written rows after which `sweep` checkpoints the write-ahead log, outside of requests. */
const rowsPerCheckpoint = 2_000

/**
 * Opens stored usage of limits in an SQLite file that one process has to itself until it ends,
 * however it ends. A write survives the process at once. A power cut may lose what the operating
 * system had not yet written, on Linux the last half minute, but never tears the file.
 *
 * @throws SetupError `data_locked` (another process has it), `data_missing`, `data_corrupt`,
 *   `data_newer`, `data_unwritable`, `data_unreadable`
 */
export function openSqliteUsageStore(options: SqliteUsageStoreOptions): UsageStore {
  const { file, clock = Date.now } = options
  let database: SqliteDatabase | undefined
  try {
    // A process has it for as long as it runs: waiting would be in vain.
    database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 16_384 })
    prepareUsageDatabase(database, file)
    const table = createUsageTable(database)
    const beginsAt = beginTime(database, table, Math.floor(clock()))
    return createUsageStore(database, table, watchFiles(file, database), beginsAt)
  } catch (error) {
    database?.close()
    throw openingError(error, file)
  }
}

/**
 * Places this process's time after all that is stored, and counts the last process's reserve as
 * used.
 */
function beginTime(database: SqliteDatabase, table: UsageTable, wall: number): number {
  return inTransaction(database, () => {
    const mark = table.findMark()
    const steady = mark === undefined ? wall : mark.steady + Math.max(0, wall - mark.wall)
    const now = { steady, wall }
    for (const use of table.listWithReserve())
      table.put(isExpired(use, now) ? { ...use, reserve: 0 } : countReserve(use, now))
    table.putMark(now)
    return steady
  })
}

function createUsageStore(
  database: SqliteDatabase,
  table: UsageTable,
  files: WatchedFiles,
  beginsAt: number,
): UsageStore {
  let isOpen = true
  let rowsWritten = 0
  let sweptUpTo = ''

  function run<T>(work: () => T): T {
    if (!isOpen) throw new Fault('limiter_unavailable', 'stored usage is closed')
    try {
      return work()
    } catch (error) {
      const known = faultOf(error)
      throw known instanceof Fault
        ? new Fault('limiter_unavailable', `limits: ${known.message}`, { cause: known })
        : error
    }
  }

  function change(work: () => void): void {
    run(() => {
      // A deleted file stays writable while open: what is written to it would be forgotten.
      files.check()
      inTransaction(database, work)
    })
  }

  return {
    beginsAt,
    read: (name) => run(() => table.find(name)),
    write(uses) {
      change(() => {
        for (const use of uses) table.put(use)
      })
      rowsWritten += uses.length
    },
    mark: (now) => change(() => table.putMark(now)),
    sweep(now) {
      const rows = run(() => table.listAfter(sweptUpTo, sweptMax))
      sweptUpTo = rows.length < sweptMax ? '' : (rows.at(-1)?.name ?? '')
      const over = rows.filter((use) => isExpired(use, now))
      if (over.length > 0)
        change(() => {
          for (const { name } of over) table.remove(name)
        })
      if (rowsWritten < rowsPerCheckpoint) return
      rowsWritten = 0
      run(() => database.exec('PRAGMA wal_checkpoint(PASSIVE)'))
    },
    close() {
      if (isOpen) database.close()
      isOpen = false
    },
  }
}

/** Keys need a backup. Usage may begin anew if the operator decides so; it never does by itself. */
function openingError(error: unknown, file: string): unknown {
  const reason =
    error instanceof Fault
      ? new SetupError('data_corrupt', `${file}: ${error.message}`)
      : setupErrorOf(error, file)
  if (!(reason instanceof SetupError) || reason.code !== 'data_corrupt') return reason
  return new SetupError(
    'data_corrupt',
    `${reason.message}; or remove it, and ${file}-wal with it: every window of an hour and more and every quota then begins anew`,
    { cause: error },
  )
}
