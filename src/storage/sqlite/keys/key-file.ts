import { SetupError } from '../../../core/setup-error.ts'
import type { Clock } from '../../../core/time.ts'
import type { KeyStore } from '../../../keys/store/key-store.ts'
import type { Peppers } from '../../../secrets/peppers.ts'
import { createRowMacs } from '../../../secrets/row-macs.ts'
import { noTelemetry, type Telemetry } from '../../../telemetry/telemetry.ts'
import { type BelievedRows, createBelievedRows } from '../../keys/believed-rows.ts'
import { damageOf } from '../damage.ts'
import { readValue, type SqliteDatabase } from '../database.ts'
import { openDatabase } from '../driver.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { inTransaction } from '../transaction.ts'
import { createChangeCounter, hasAllRows } from './change-counter.ts'
import { hasKeys } from './key-changes.ts'
import { migrateDatabase, prepareKeys } from './key-schema.ts'
import { createSqliteKeyStore, type SqliteKeyStore } from './key-store.ts'
import { createSettingTable } from './setting-table.ts'

export interface SqliteKeyFileOptions {
  /**
   * The database file; created with mode 0600 if missing. Its folder must exist, on a local disk.
   */
  readonly file: string
  /** Decides which stored answers have expired. @default Date.now */
  readonly clock?: Clock | undefined
  /** How long to wait for another process's lock, milliseconds from 0 on. @default 5000 */
  readonly lockTimeoutMs?: number
  /** Memory for pages of the file, KiB. @default 16384 */
  readonly cacheKiB?: number
}

/** The keys' file, open and not believed yet: that takes the peppers. */
export interface SqliteKeyFile {
  /** Whether its rows have MACs; those of an older version get them with `upgrade`. */
  readonly isBelieved: boolean
  readonly hasKeys: () => boolean
  /** The check values of the peppers are among them. */
  readonly settings: Pick<KeyStore, 'findSetting' | 'addSetting'>
  /**
   * Brings it up to this program's version, under the peppers that its keys were made with.
   *
   * @throws SetupError `data_corrupt` if MACs of rows were taken away; `pepper_*`
   */
  readonly upgrade: (peppers: Peppers) => void
  /**
   * The keys under the peppers that they were made with: `upgrade` and `checkPeppers` first.
   * Closing the store closes the file.
   *
   * @throws SetupError `data_corrupt` if a row is missing or was put back as it was before
   */
  readonly openStore: (peppers: Peppers, telemetry?: Telemetry) => SqliteKeyStore
  readonly close: () => void
}

/**
 * Opens the keys' SQLite file. Several processes may have it open.
 *
 * @throws SetupError `data_missing`, `data_locked`, `data_corrupt`, `data_newer`,
 *   `data_unwritable`, `data_unreadable`
 */
export function openSqliteKeyFile(options: SqliteKeyFileOptions): SqliteKeyFile {
  const { file, clock = Date.now, lockTimeoutMs = 5_000, cacheKiB = 16_384 } = options
  const deadline = performance.now() + lockTimeoutMs
  const database = openDatabase({ file, busyTimeoutMs: lockTimeoutMs, cacheKiB })
  try {
    const isBelieved = prepareKeys(database, file, deadline)
    return createKeyFile(database, isBelieved, { file, clock, lockTimeoutMs })
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

/** Opens the keys under these peppers, which nothing checks: where no others can be meant. */
export function openSqliteKeyStore({
  peppers,
  telemetry,
  ...options
}: SqliteKeyFileOptions & {
  readonly peppers: Peppers
  readonly telemetry?: Telemetry
}): SqliteKeyStore {
  const opened = openSqliteKeyFile(options)
  try {
    opened.upgrade(peppers)
    return opened.openStore(peppers, telemetry)
  } catch (error) {
    opened.close()
    throw error
  }
}

function createKeyFile(
  database: SqliteDatabase,
  isBelieved: boolean,
  {
    file,
    clock,
    lockTimeoutMs,
  }: Required<Pick<SqliteKeyFileOptions, 'file' | 'lockTimeoutMs'>> & {
    readonly clock: Clock
  },
): SqliteKeyFile {
  const setting = createSettingTable(database)
  function opening<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw setupErrorOf(error, file)
    }
  }
  return {
    isBelieved,
    hasKeys: () => opening(() => readValue(database, hasKeys) === 1),
    settings: {
      findSetting: async (name) => opening(() => setting.find(name)),
      addSetting: async (name, value) =>
        opening(() => setting.find(name) ?? inTransaction(database, () => setting.add(name, value))),
    },
    upgrade: (peppers) => migrateDatabase(database, file, peppers),
    openStore: (peppers, telemetry = noTelemetry) =>
      opening(() => {
        const rows = createBelievedRows(createRowMacs(peppers), telemetry)
        checkChanges(database, file, rows)
        checkAnswers(database, file)
        return createSqliteKeyStore({ database, file, rows, clock, lockTimeoutMs })
      }),
    close: () => database.close(),
  }
}

function checkChanges(database: SqliteDatabase, file: string, rows: BelievedRows): void {
  const counter = createChangeCounter(database, rows)
  if (inTransaction(database, () => hasAllRows(database, counter.read()), 'DEFERRED')) return
  throw new SetupError(
    'data_corrupt',
    `${file}: rows of keys are missing, or stand as they were before a later change; restore a backup`,
  )
}

/** An answer that its index hides would have a retry made a second key. */
function checkAnswers(database: SqliteDatabase, file: string): void {
  const [damage] = damageOf(database, 'answers')
  if (damage === undefined) return
  throw new SetupError('data_corrupt', `${file}: stored answers are damaged: ${damage}; restore a backup`)
}
