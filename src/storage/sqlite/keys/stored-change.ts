import { readValue, type SqliteDatabase } from '../database.ts'
import { openDatabaseToRead } from '../driver.ts'
import { readAndClose } from '../read-and-close.ts'

/**
 * The number of the latest change as a keys' file has it, not believed: the peppers are not asked.
 * Undefined for a file of an older version, which does not keep it. Changes nothing.
 *
 * @throws SetupError `data_missing`, `data_locked`, `data_corrupt`, `data_unreadable`
 */
export function findStoredChange(file: string): number | undefined {
  return readAndClose(file, (isAlone) => openDatabaseToRead(file, { isAlone }), readStoredChange)
}

export function readStoredChange(database: SqliteDatabase): number | undefined {
  const hasTable = readValue(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'changes'") === 1
  if (!hasTable) return undefined
  return Number(readValue(database, 'SELECT latest FROM changes WHERE id = 1') ?? 0)
}
