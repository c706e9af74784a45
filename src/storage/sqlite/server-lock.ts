import { join } from 'node:path'
import { SetupError } from '../../core/setup-error.ts'
import type { SqliteDatabase } from './database.ts'
import { openDatabase } from './driver.ts'
import { setupErrorOf } from './sqlite-error.ts'

/** Held by the one server of a data folder. */
export interface ServerLock {
  /** Lets another server have the folder. Does nothing the second time. */
  readonly release: () => void
}

/** Keeps locks from the garbage collector, which would close the connection of a caller that dropped its `ServerLock`. */
const held = new Set<SqliteDatabase>()

/**
 * Takes a folder's server lock: an exclusive transaction, never ended, on a database of its own that stays empty. The
 * operating system drops it with the process, `kill -9` included, so that no stale lock is ever left. The keys' database
 * is not locked by it.
 *
 * @throws SetupError `data_in_use` when another server holds it; `data_unwritable`, `data_unreadable`, `data_corrupt`
 */
export function lockForServer(folder: string): ServerLock {
  const file = join(folder, 'server.lock')
  const database = openLocked(file, folder)
  held.add(database)
  return {
    release: () => {
      if (held.delete(database)) database.close()
    },
  }
}

function openLocked(file: string, folder: string): SqliteDatabase {
  let database: SqliteDatabase | undefined
  try {
    database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 64 })
    // Nothing is ever written, so no journal needs to be left beside it by a killed server.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    const reason = setupErrorOf(error, file)
    if (!(reason instanceof SetupError) || reason.code !== 'data_locked') throw reason
    throw new SetupError('data_in_use', `${folder}: another server is running on this data folder`, {
      cause: error,
    })
  }
}
