import { Fault } from '../../core/fault.ts'
import type { SqliteDatabase } from './database.ts'
import { faultOf, isBusy, isFull } from './sqlite-error.ts'
import { inTransaction } from './transaction.ts'
import type { WatchedFiles } from './watched-files.ts'

/**
 * A database in use. Every failure is a `Fault`, and so is a file that was moved or replaced.
 * Writes are whole; waiting for another process's lock does not block the thread.
 */
export interface Connection {
  /** Runs reads outside a transaction, each of its own moment. @throws Fault `store_unavailable` */
  readonly read: <T>(work: () => T) => T
  /** Runs reads that all see one moment. @throws Fault `store_unavailable` */
  readonly readTogether: <T>(work: () => T) => T
  /**
   * Runs writes in one transaction, durable when the promise resolves. When it rejects nothing has
   * happened, unless the disk failed in the commit itself.
   *
   * @throws Fault `store_unavailable` also when the lock is not free in time
   */
  readonly write: <T>(work: () => T, options?: WriteOptions) => Promise<T>
  /**
   * Copies the log into the file if the last durable write could not, because another process was
   * reading. @throws Fault `store_unavailable`
   */
  readonly settle: () => void
  readonly close: () => void
}

/** How a transaction is written. */
export interface WriteOptions {
  /** Whether it survives a power cut: the thread then waits for the disk. @default true */
  readonly isDurable?: boolean
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
  const log = createLogCopy(database, () => isOpen)

  function run<T>(work: () => T): T {
    if (!isOpen) throw new Fault('store_unavailable', 'the key store is closed')
    try {
      return work()
    } catch (error) {
      throw faultOf(error)
    }
  }

  /** One attempt, synchronous: no other call of this process comes between lock and commit. */
  function tryToWrite<T>(
    work: () => T,
    isDurable: boolean,
  ): { readonly result: T } | { readonly busy: unknown } {
    let hasLock = false
    try {
      if (!isDurable) database.exec('PRAGMA synchronous = NORMAL')
      const result = inTransaction(database, () => {
        hasLock = true
        files.checkNames()
        return work()
      })
      return { result }
    } catch (error) {
      if (!hasLock && isBusy(error)) return { busy: error }
      throw error
    } finally {
      if (!isDurable) database.exec('PRAGMA synchronous = FULL')
    }
  }

  /** Pauses on a timer: waiting inside SQLite would stop every request of the process. */
  async function write<T>(work: () => T, { isDurable = true }: WriteOptions = {}): Promise<T> {
    const deadline = performance.now() + lockTimeoutMs
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
      const attempt = run(() => {
        files.check()
        return tryToWrite(work, isDurable)
      })
      if ('result' in attempt) {
        if (isDurable) log.copySoon()
        return attempt.result
      }
      if (performance.now() + pauseMs > deadline) throw faultOf(attempt.busy)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  return {
    // A deleted file stays readable while open: a key in it may be revoked in its replacement.
    read: (work) =>
      run(() => {
        files.check()
        return work()
      }),
    readTogether: (work) =>
      run(() => {
        files.check()
        return inTransaction(database, work, 'DEFERRED')
      }),
    write,
    settle() {
      if (log.isLeft()) run(log.copy)
    },
    close: () => {
      if (isOpen) database.close()
      isOpen = false
    },
  }
}

/**
 * Empties the write-ahead log into the file. At rest nothing is in the log alone: of a log, SQLite
 * believes the frames up to the first damaged one, and drops what came behind without a word.
 */
function createLogCopy(
  database: SqliteDatabase,
  isOpen: () => boolean,
): {
  readonly copy: () => void
  /**
   * The same once for all commits of this turn of the event loop. They are durable whatever becomes
   * of the copy: the next poll makes it, or reports why it cannot.
   */
  readonly copySoon: () => void
  /** Whether the last copy could not be made: another process was reading, or the disk is full. */
  readonly isLeft: () => boolean
} {
  let isLeft = false
  let planned: NodeJS.Immediate | undefined

  function copy(): void {
    isLeft = true
    // A reader elsewhere holds the log for as long as it reads, and this thread is not to wait.
    database.exec('PRAGMA busy_timeout = 0')
    try {
      isLeft = database.prepare<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy !== 0
    } catch (error) {
      // The write itself is durable, and the log keeps it until there is room.
      if (!isBusy(error) && !isFull(error)) throw faultOf(error)
    } finally {
      database.exec(`PRAGMA busy_timeout = ${blockingMs}`)
    }
  }

  return {
    isLeft: () => isLeft && planned === undefined,
    copy,
    copySoon() {
      planned ??= setImmediate(() => {
        planned = undefined
        try {
          if (isOpen()) copy()
        } catch {
          // `isLeft` says so.
        }
      })
    },
  }
}
