import { existsSync } from 'node:fs'
import { SetupError } from '../../../core/setup-error.ts'
import { changeOfEntry } from '../../ledger/entry-change.ts'
import { readValue, type SqliteDatabase } from '../database.ts'
import { openDatabaseToRead } from '../driver.ts'
import { readAndClose } from '../read-and-close.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'

interface KeptChange {
  readonly change: number
  readonly again: number
}

const selectBoth =
  'SELECT change, ~complement AS again FROM latest_change JOIN latest_change_again USING (only)'

/** Undefined if the two numbers differ. */
function believe(kept: KeptChange | undefined): number | undefined {
  return kept !== undefined && kept.change === kept.again ? kept.change : undefined
}

/**
 * Keeps how far changes have come, with their records: the caller brings the transaction. In the
 * place of a damaged number comes that of the record, which is the latest there is.
 */
export function createChangeNote(database: SqliteDatabase): (entry: Uint8Array) => void {
  const select = database.prepare<KeptChange>(selectBoth)
  const put = database.prepare('UPDATE latest_change SET change = ?')
  const putAgain = database.prepare('UPDATE latest_change_again SET complement = ~?')
  return (entry) => {
    const change = changeOfEntry(entry)
    if (change === 0) return
    const latest = Math.max(change, believe(select.get()) ?? 0)
    put.run(latest)
    putAgain.run(latest)
  }
}

/**
 * The latest change that a ledger's records know of, from what is kept beside them; undefined if
 * that is not what was written.
 */
export function readLatestChange(database: SqliteDatabase): number | undefined {
  const version = Number(readValue(database, 'PRAGMA user_version'))
  if (version < 2) return 0
  if (version < 3) return Number(readValue(database, 'SELECT change FROM latest_change') ?? 0)
  return believe(database.prepare<KeptChange>(selectBoth).get())
}

/** The same. @throws SetupError `data_corrupt` if it is not what was written */
export function getLatestChange(database: SqliteDatabase, file: string): number {
  const change = readLatestChange(database)
  if (change !== undefined) return change
  throw new SetupError(
    'data_corrupt',
    `${file}: the number of the latest change that it keeps is damaged, so it cannot tell whether the keys are older; restore a backup`,
  )
}

/**
 * The same of a ledger's file, beside its writers; 0 without one, or without a record. A process
 * that is killed as it creates the file leaves it empty.
 *
 * @throws SetupError as `openLedgerDatabaseToRead`; `data_corrupt` if it is not what was written
 */
export function findLatestChange(file: string): number {
  if (!existsSync(file) || isUnbegun(file)) return 0
  const open = (isAlone: boolean): SqliteDatabase => openLedgerDatabaseToRead(file, isAlone)
  return readAndClose(file, open, (database) => getLatestChange(database, file))
}

/**
 * Whether nothing was ever stored in it. All that could say so does: where one does not, the file
 * is damaged.
 */
function isUnbegun(file: string): boolean {
  const open = (isAlone: boolean): SqliteDatabase => openDatabaseToRead(file, { isAlone })
  return readAndClose(file, open, (database) =>
    ['SELECT count(*) FROM sqlite_schema', 'PRAGMA application_id', 'PRAGMA user_version'].every(
      (sql) => readValue(database, sql) === 0,
    ),
  )
}
