import { join } from 'node:path'
import { SetupError } from '../../core/setup-error.ts'
import type { SqliteDatabase } from './database.ts'
import { openDatabase } from './driver.ts'
import { dataInUse } from './holder-file.ts'
import { setupErrorOf } from './sqlite-error.ts'

/** The lock of the one server of a data folder. */
export interface ServerLock {
  /** Frees the folder for another server. The second call does nothing. */
  readonly release: () => void
}

/**
 * Protects locks from the garbage collector, which would close the connection of a dropped
 * `ServerLock`.
 */
const openLocks = new Set<SqliteDatabase>()

/**
 * Takes a folder's server lock: an exclusive transaction that never ends, on an empty database of
 * its own. The operating system drops it with the process, `kill -9` included: no lock is ever
 * stale. The keys' database is not locked.
 *
 * @throws SetupError `data_in_use` if another server has it; `data_unwritable`, `data_unreadable`,
 *   `data_corrupt`
 */
export function lockForServer(folder: string): ServerLock {
  const file = join(folder, 'server.lock')
  const database = openLocked(file, folder)
  openLocks.add(database)
  return {
    release: () => {
      if (openLocks.delete(database)) database.close()
    },
  }
}

function openLocked(file: string, folder: string): SqliteDatabase {
  let database: SqliteDatabase | undefined
  try {
    database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 64 })
    // Nothing is ever written: no journal remains beside it after a kill.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    const reason = setupErrorOf(error, file)
    if (!(reason instanceof SetupError) || reason.code !== 'data_locked') throw reason
    throw dataInUse(folder, error)
  }
}
