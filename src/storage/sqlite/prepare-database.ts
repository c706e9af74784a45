import { SetupError } from '../../core/setup-error.ts'
import { readValue, type SqliteDatabase } from './database.ts'
import { isBusy } from './sqlite-error.ts'
import { inTransaction } from './transaction.ts'

/** What the header of our files says. */
export interface DatabaseKind {
  /** Four ASCII letters that tell it from other programs' databases, and from our others. */
  readonly applicationId: number
  /** The newest version that this program knows. */
  readonly knownVersion: number
  /** Its name in messages. */
  readonly name: string
}

/**
 * The version of a database; 0 for an empty one. Touches nothing.
 *
 * @throws SetupError `data_corrupt` (another program's database, or damaged), `data_newer`
 */
export function checkVersion(
  database: SqliteDatabase,
  file: string,
  { applicationId, knownVersion, name }: DatabaseKind,
): number {
  const isEmpty = readValue(database, 'SELECT count(*) FROM sqlite_schema') === 0
  const version = Number(readValue(database, 'PRAGMA user_version'))
  if (!isEmpty && readValue(database, 'PRAGMA application_id') !== applicationId)
    throw new SetupError('data_corrupt', `${file}: this is another program's database`)
  // No step leads from there to a version.
  if (version < 0)
    throw new SetupError(
      'data_corrupt',
      `${file}: the ${name} is damaged, its version is ${version}; restore a backup`,
    )
  if (version > knownVersion)
    throw new SetupError(
      'data_newer',
      `${file}: the ${name} has version ${version}, and this program knows versions up to ${knownVersion}; use the newer program`,
    )
  return version
}

/**
 * Turns the write-ahead log on. This one pragma fails with BUSY at once, whatever the timeout, if
 * another process does the same.
 *
 * @param deadline when to stop waiting for the other, milliseconds by `performance.now()`
 * @throws SetupError `data_unwritable` if the file system allows no such log
 */
export function useWriteAheadLog(database: SqliteDatabase, file: string, deadline: number): void {
  const timer = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    try {
      const mode = readValue(database, 'PRAGMA journal_mode = WAL')
      if (mode === 'wal') return
      throw new SetupError('data_unwritable', `${file}: expected journal mode wal, got ${mode}`)
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error
      Atomics.wait(timer, 0, 0, 5)
    }
  }
}

/** SQL, or what makes the next version of a database, within a transaction of the caller's. */
export type SchemaStep = string | ((database: SqliteDatabase) => void)

/**
 * Applies the missing steps, each whole or not at all. Always takes the write lock: a read-only
 * file is found now.
 *
 * @param steps the first makes version 1 of an empty database, each other one the next version
 */
export function takeSteps(
  database: SqliteDatabase,
  file: string,
  kind: DatabaseKind,
  steps: readonly SchemaStep[],
): void {
  while (!takeOneStep(database, file, kind, steps));
}

export function takeStep(database: SqliteDatabase, step: SchemaStep): void {
  if (typeof step === 'string') database.exec(step)
  else step(database)
}

/** @returns whether nothing is left to do */
function takeOneStep(
  database: SqliteDatabase,
  file: string,
  kind: DatabaseKind,
  steps: readonly SchemaStep[],
): boolean {
  return inTransaction(database, () => {
    const version = checkVersion(database, file, kind)
    const step = steps[version]
    if (step !== undefined) {
      takeStep(database, step)
      database.exec(`PRAGMA application_id = ${kind.applicationId}; PRAGMA user_version = ${version + 1}`)
    }
    return version + 1 >= steps.length
  })
}
