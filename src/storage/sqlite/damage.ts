import { isError } from '../../core/runtime/is-error.ts'
import type { SqliteDatabase } from './database.ts'
import { isBusy } from './sqlite-error.ts'

/** What a check of SQLite's complains of, at most ten. @param of how many, or of which table */
export function complaintsOf(
  database: SqliteDatabase,
  check: 'integrity_check' | 'quick_check',
  of: string | number = 10,
): readonly string[] {
  const rows = database.prepareCells<[string]>(`PRAGMA ${check}(${of})`).all()
  return rows.map(([complaint]) => complaint).filter((complaint) => complaint !== 'ok')
}

/**
 * What keeps rows of a table from being found by one of its indexes, though they are there; empty
 * where each is found.
 */
export function damageOf(database: SqliteDatabase, table: string): readonly string[] {
  try {
    return complaintsOf(database, 'integrity_check', table)
  } catch (error) {
    // The check itself fails where it cannot parse a column as JSON.
    if (isBusy(error)) throw error
    return [`${table}: ${isError(error) ? error.message : String(error)}`]
  }
}
