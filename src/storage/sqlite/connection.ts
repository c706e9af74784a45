import { Fault } from '../../core/fault.ts'
import type { SqliteDatabase } from './database.ts'
import { faultOf, isBusy } from './sqlite-error.ts'
import type { WatchedFiles } from './watched-files.ts'

/** A database in use: every failure is a `Fault`, and so are files that are no longer those at their paths; writes are whole, and waiting for another process's lock blocks no one. */
export interface Connection {
  /** Runs reads outside a transaction, each seeing its own moment. @throws Fault `store_unavailable` */
  readonly read: <T>(work: () => T) => T
  /** Runs reads that all see one moment. @throws Fault `store_unavailable` */
  readonly readTogether: <T>(work: () => T) => T
  /**
   * Runs writes in one transaction that is on the disk when the promise resolves; nothing has happened when it rejects,
   * unless the disk failed in the commit itself.
   *
   * @throws Fault `store_unavailable` also when the lock is not free in time
   */
  readonly write: <T>(work: () => T) => Promise<T>
  readonly close: () => void
}

/** How long a statement may block the thread for a lock. Reads under WAL hardly ever meet one. */
const blockingMs = 20
/** The longest pause between two attempts to get the write lock. */
const pauseMsMax = 25

/** @param lockTimeoutMs how long a write waits for the lock of another process */
export function createConnection(
  database: SqliteDatabase,
  files: WatchedFiles,
  lockTimeoutMs: number,
): Connection {
  let isOpen = true
  database.exec(`PRAGMA busy_timeout = ${blockingMs}`)

  function run<T>(work: () => T): T {
    if (!isOpen) throw new Fault('store_unavailable', 'the key store is closed')
    try {
      return work()
    } catch (error) {
      throw faultOf(error)
    }
  }

  /** Ends a transaction by `COMMIT`, or undoes it where the work or the commit failed. */
  function finish<T>(work: () => T): T {
    try {
      const result = work()
      database.exec('COMMIT')
      return result
    } catch (error) {
      // SQLite has rolled back by itself after some errors (https://sqlite.org/lang_transaction.html).
      if (database.isTransaction()) database.exec('ROLLBACK')
      throw error
    }
  }

  /** One attempt, wholly synchronous, so that no other call of this process gets in between the lock and the commit. */
  function tryToWrite<T>(work: () => T): { readonly result: T } | { readonly busy: unknown } {
    try {
      database.exec('BEGIN IMMEDIATE')
    } catch (error) {
      if (isBusy(error)) return { busy: error }
      throw error
    }
    return {
      result: finish(() => {
        files.check()
        return work()
      }),
    }
  }

  /** Pauses between attempts on a timer: waiting inside SQLite would stop every request of the process. */
  async function write<T>(work: () => T): Promise<T> {
    const deadline = performance.now() + lockTimeoutMs
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
      const attempt = run(() => tryToWrite(work))
      if ('result' in attempt) return attempt.result
      if (performance.now() + pauseMs > deadline) throw faultOf(attempt.busy)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  return {
    // The open file goes on when its name is gone: what is read from it may have been revoked in the one that took its place.
    read: (work) =>
      run(() => {
        files.check()
        return work()
      }),
    readTogether: (work) =>
      run(() => {
        files.check()
        database.exec('BEGIN')
        return finish(work)
      }),
    write,
    close: () => {
      if (isOpen) database.close()
      isOpen = false
    },
  }
}
