import { existsSync } from 'node:fs'
import { SetupError } from '../../core/setup-error.ts'
import { readValue } from './database.ts'
import { openDatabaseToRead } from './driver.ts'
import { applicationId, knownVersion } from './migrations.ts'
import { setupErrorOf } from './sqlite-error.ts'

/** What a look at the keys' database shows. */
export interface DatabaseInspection {
  readonly version: number
  readonly knownVersion: number
  /** What SQLite's integrity check complains of; empty where all is well. */
  readonly complaints: readonly string[]
  readonly keys: number
  /** When any key was last changed, milliseconds since the epoch; null where there are none. */
  readonly changedAt: number | null
  /** The check values of the peppers in use, by version. */
  readonly pepperChecks: ReadonlyMap<number, string>
}

const emptyDatabase: DatabaseInspection = {
  version: 0,
  knownVersion,
  complaints: [],
  keys: 0,
  changedAt: null,
  pepperChecks: new Map(),
}

/**
 * Looks at a database and changes nothing: not its version, its journal or its mode.
 *
 * @throws SetupError `data_missing`, `data_locked`, `data_corrupt` (another program's database too), `data_unreadable`
 */
export function inspectDatabase(file: string): DatabaseInspection {
  // Without a write-ahead log nobody has it open, and it can be read without even a lock file beside it.
  const database = openDatabaseToRead(file, { isAlone: !existsSync(`${file}-wal`) })
  try {
    const version = Number(readValue(database, 'PRAGMA user_version'))
    // Made and not yet filled, as by a process that was ended at its first start.
    if (readValue(database, 'SELECT count(*) FROM sqlite_schema') === 0) return { ...emptyDatabase, version }
    if (readValue(database, 'PRAGMA application_id') !== applicationId)
      throw new SetupError('data_corrupt', `${file}: this is another program's database`)
    const complaints = database
      .prepare<{ integrity_check: string }>('PRAGMA integrity_check(10)')
      .all()
      .map((row) => row.integrity_check)
    const settings = database
      .prepare<{ name: string; value: string }>("SELECT name, value FROM settings WHERE name LIKE 'pepper.%'")
      .all()
    const changed = database.prepare<{ at: number | null }>('SELECT max(updated_at) AS at FROM keys').get()
    return {
      version,
      knownVersion,
      complaints: complaints.filter((complaint) => complaint !== 'ok'),
      keys: Number(readValue(database, 'SELECT count(*) FROM keys')),
      changedAt: changed?.at ?? null,
      pepperChecks: new Map(settings.map(({ name, value }) => [Number(name.slice('pepper.'.length)), value])),
    }
  } catch (error) {
    throw setupErrorOf(error, file)
  } finally {
    database.close()
  }
}
