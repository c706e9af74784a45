import { existsSync } from 'node:fs'
import type { SqliteDatabase } from './database.ts'
import { setupErrorOf } from './sqlite-error.ts'

/**
 * Reads something of a file beside its writers, and closes it. Changes nothing.
 *
 * @param open gets whether it is alone: without a write-ahead log no process has the file open, and
 *   it can be read without a lock file
 * @throws SetupError `data_*`
 */
export function readAndClose<T>(
  file: string,
  open: (isAlone: boolean) => SqliteDatabase,
  read: (database: SqliteDatabase) => T,
): T {
  const database = open(!existsSync(`${file}-wal`))
  try {
    return read(database)
  } catch (error) {
    throw setupErrorOf(error, file)
  } finally {
    database.close()
  }
}
