import type { SqliteDatabase } from './database.ts'

/** Runs the work as one transaction that has the write lock from its beginning: all of it, or nothing where it throws. */
export function inTransaction<T>(database: SqliteDatabase, work: () => T): T {
  try {
    database.exec('BEGIN IMMEDIATE')
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    // SQLite has rolled back by itself after some errors (https://sqlite.org/lang_transaction.html).
    if (database.isTransaction()) database.exec('ROLLBACK')
    throw error
  }
}
