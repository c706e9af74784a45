import type { SqliteDatabase } from './database.ts'

/**
 * Runs the work as one transaction: all of it, or nothing if it throws.
 *
 * @param begin `IMMEDIATE` takes the write lock at once, `DEFERRED` only fixes what is read
 */
export function inTransaction<T>(
  database: SqliteDatabase,
  work: () => T,
  begin: 'IMMEDIATE' | 'DEFERRED' = 'IMMEDIATE',
): T {
  try {
    database.exec(`BEGIN ${begin}`)
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    // SQLite itself rolls back after some errors (https://sqlite.org/lang_transaction.html).
    if (database.isTransaction()) database.exec('ROLLBACK')
    throw error
  }
}
