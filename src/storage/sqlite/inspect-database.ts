import { SetupError } from '../../core/setup-error.ts'
import type { Peppers } from '../../secrets/peppers.ts'
import { complaintsOf } from './damage.ts'
import { readValue, type SqliteDatabase } from './database.ts'
import { openDatabaseToRead } from './driver.ts'
import { findDamagedRows } from './jobs/inspect-jobs.ts'
import { jobApplicationId, jobSteps } from './jobs/job-schema.ts'
import { inspectRows, type RowsInspection } from './keys/inspect-rows.ts'
import { applicationId, knownVersion } from './keys/key-schema.ts'
import { areMacsTaken, type PepperChecks, readPepperChecks } from './keys/pepper-checks.ts'
import { readStoredChange } from './keys/stored-change.ts'
import type { DatabaseKind } from './prepare-database.ts'
import { readAndClose } from './read-and-close.ts'

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
  readonly pepperChecks: PepperChecks
  /** The number of the latest change; undefined in a file of an older version. */
  readonly latestChange: number | undefined
  /** Whether its rows have no MACs though they had; no start takes it. */
  readonly areMacsTaken: boolean
  /** Undefined in a file of an older version, and without the peppers. */
  readonly rows: RowsInspection | undefined
}

/** What the jobs' database shows. */
export interface JobsInspection extends FileInspection {
  readonly queued: number
  readonly running: number
  readonly dead: number
  /** Rows that are not the ones that were written; empty in a file of an older version. */
  readonly damaged: readonly string[]
}

/**
 * Inspects the keys' database. Changes nothing: no version, no journal, no mode.
 *
 * @param findPeppers the right peppers by their check values, if they are known
 * @throws SetupError `data_missing`, `data_locked`, `data_corrupt` (also: another program's
 *   database), `data_unreadable`
 */
export function inspectDatabase(
  file: string,
  findPeppers: (checks: PepperChecks) => Peppers | undefined,
): DatabaseInspection {
  const empty: Omit<DatabaseInspection, keyof FileInspection> = {
    keys: 0,
    changedAt: null,
    pepperChecks: new Map(),
    latestChange: undefined,
    areMacsTaken: false,
    rows: undefined,
  }
  return inspect(file, { applicationId, knownVersion }, empty, (database) => {
    const pepperChecks = readPepperChecks(database)
    const changed = database.prepare<{ at: number | null }>('SELECT max(updated_at) AS at FROM keys').get()
    const latestChange = readStoredChange(database)
    const hasMacs = latestChange !== undefined
    const peppers = findPeppers(pepperChecks)
    return {
      keys: Number(readValue(database, 'SELECT count(*) FROM keys')),
      changedAt: changed?.at ?? null,
      pepperChecks,
      latestChange,
      areMacsTaken: peppers !== undefined && !hasMacs && areMacsTaken(database, pepperChecks, peppers),
      rows: peppers && hasMacs ? inspectRows(database, peppers) : undefined,
    }
  })
}

/** The same of the jobs' database. @throws SetupError as `inspectDatabase` */
export function inspectJobDatabase(file: string): JobsInspection {
  const kind = { applicationId: jobApplicationId, knownVersion: jobSteps.length }
  return inspect(file, kind, { queued: 0, running: 0, dead: 0, damaged: [] }, (database, version) => ({
    queued: Number(readValue(database, 'SELECT queued FROM totals WHERE id = 1')),
    running: Number(readValue(database, 'SELECT running FROM totals WHERE id = 1')),
    // `parked` in a file that no program of this version has opened to write.
    dead: Number(readValue(database, "SELECT count(*) FROM jobs WHERE status IN ('dead', 'parked')")),
    damaged: version === jobSteps.length ? findDamagedRows(database) : [],
  }))
}

interface InspectOptions {
  /** How closely its pages are looked at; `quick` leaves the indexes out. @default 'whole' */
  readonly pages?: 'whole' | 'quick' | 'none'
  /** How long to wait for another process's lock, in milliseconds. @default 5000 */
  readonly waitMs?: number
}

const checks = { whole: 'integrity_check', quick: 'quick_check', none: undefined } as const

export function inspect<Found extends object>(
  file: string,
  kind: Omit<DatabaseKind, 'name'>,
  empty: Found,
  read: (database: SqliteDatabase, version: number) => Found,
  { pages = 'whole', waitMs = 5_000 }: InspectOptions = {},
): FileInspection & Found {
  const open = (isAlone: boolean): SqliteDatabase => openDatabaseToRead(file, { isAlone, waitMs })
  return readAndClose(file, open, (database) => {
    const { knownVersion } = kind
    const version = Number(readValue(database, 'PRAGMA user_version'))
    // Made and not yet filled, as by a process that was ended at its first start.
    if (readValue(database, 'SELECT count(*) FROM sqlite_schema') === 0)
      return { version, knownVersion, complaints: [], ...empty }
    if (readValue(database, 'PRAGMA application_id') !== kind.applicationId)
      throw new SetupError('data_corrupt', `${file}: this is another program's database`)
    const complaints = checks[pages] === undefined ? [] : complaintsOf(database, checks[pages])
    // What is read of a damaged file may fail, and is not needed then.
    return { version, knownVersion, complaints, ...(complaints.length > 0 ? empty : read(database, version)) }
  })
}
