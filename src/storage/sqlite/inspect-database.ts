import { existsSync } from 'node:fs'
import { SetupError } from '../../core/setup-error.ts'
import { readValue, type SqliteDatabase } from './database.ts'
import { openDatabaseToRead } from './driver.ts'
import { jobApplicationId, jobSteps } from './jobs/job-schema.ts'
import { applicationId, knownVersion } from './keys/key-schema.ts'
import type { DatabaseKind } from './prepare-database.ts'
import { setupErrorOf } from './sqlite-error.ts'

/** What any database of ours shows. */
export interface FileInspection {
  readonly version: number
  readonly knownVersion: number
  /** What SQLite's integrity check complains of; empty where all is well. */
  readonly complaints: readonly string[]
}

/** What the keys' database shows. */
export interface DatabaseInspection extends FileInspection {
  readonly keys: number
  /** When a key was last changed, milliseconds since the epoch; null without keys. */
  readonly changedAt: number | null
  /** The check values of the peppers in use, by version. */
  readonly pepperChecks: ReadonlyMap<number, string>
}

/** What the jobs' database shows. */
export interface JobsInspection extends FileInspection {
  readonly queued: number
  readonly running: number
  readonly dead: number
}

/**
 * Inspects the keys' database. Changes nothing: no version, no journal, no mode.
 *
 * @throws SetupError `data_missing`, `data_locked`, `data_corrupt` (also: another program's
 *   database), `data_unreadable`
 */
export function inspectDatabase(file: string): DatabaseInspection {
  const empty = { keys: 0, changedAt: null, pepperChecks: new Map<number, string>() }
  return inspect(file, { applicationId, knownVersion }, empty, (database) => {
    const settings = database
      .prepare<{ name: string; value: string }>("SELECT name, value FROM settings WHERE name LIKE 'pepper.%'")
      .all()
    const changed = database.prepare<{ at: number | null }>('SELECT max(updated_at) AS at FROM keys').get()
    return {
      keys: Number(readValue(database, 'SELECT count(*) FROM keys')),
      changedAt: changed?.at ?? null,
      pepperChecks: new Map(settings.map(({ name, value }) => [Number(name.slice('pepper.'.length)), value])),
    }
  })
}

/** The same of the jobs' database. @throws SetupError as `inspectDatabase` */
export function inspectJobDatabase(file: string): JobsInspection {
  const kind = { applicationId: jobApplicationId, knownVersion: jobSteps.length }
  return inspect(file, kind, { queued: 0, running: 0, dead: 0 }, (database) => ({
    queued: Number(readValue(database, 'SELECT queued FROM totals WHERE id = 1')),
    running: Number(readValue(database, 'SELECT running FROM totals WHERE id = 1')),
    // `parked` in a file that no program of this version has opened to write.
    dead: Number(readValue(database, "SELECT count(*) FROM jobs WHERE status IN ('dead', 'parked')")),
  }))
}

function inspect<Found extends object>(
  file: string,
  kind: Omit<DatabaseKind, 'name'>,
  empty: Found,
  read: (database: SqliteDatabase) => Found,
): FileInspection & Found {
  // Without a write-ahead log no process has it open, and it can be read without a lock file.
  const database = openDatabaseToRead(file, { isAlone: !existsSync(`${file}-wal`) })
  try {
    const { knownVersion } = kind
    const version = Number(readValue(database, 'PRAGMA user_version'))
    // Made and not yet filled, as by a process that was ended at its first start.
    if (readValue(database, 'SELECT count(*) FROM sqlite_schema') === 0)
      return { version, knownVersion, complaints: [], ...empty }
    if (readValue(database, 'PRAGMA application_id') !== kind.applicationId)
      throw new SetupError('data_corrupt', `${file}: this is another program's database`)
    const complaints = database
      .prepare<{ integrity_check: string }>('PRAGMA integrity_check(10)')
      .all()
      .map((row) => row.integrity_check)
      .filter((complaint) => complaint !== 'ok')
    return { version, knownVersion, complaints, ...read(database) }
  } catch (error) {
    throw setupErrorOf(error, file)
  } finally {
    database.close()
  }
}
