import { existsSync, statSync } from 'node:fs'
import { Fault } from '../../core/fault.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { Clock } from '../../core/time.ts'
import { checkPeppers } from '../../keys/verify/check-peppers.ts'
import { type Peppers, parsePeppers } from '../../secrets/peppers.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { DataFolder } from './data-folder.ts'
import { openSqliteKeyFile, type SqliteKeyFile } from './keys/key-file.ts'
import type { SqliteKeyStore } from './keys/key-store.ts'
import { findLatestChange } from './ledger/latest-change.ts'
import { openPeppers, readPepperFile } from './pepper-file.ts'

export interface OpenKeysOptions {
  /** Peppers from the environment. @default the folder's own */
  readonly pepper?: string | undefined
  /** Whether keys that are older than the ledger are taken on purpose. @default false */
  readonly isRestored?: boolean | undefined
  readonly clock?: Clock | undefined
  readonly telemetry?: Telemetry | undefined
}

export interface OpenedKeys {
  readonly keys: SqliteKeyStore
  readonly peppers: Peppers
  /** The latest change that the ledger's records know of; 0 if they know of none. */
  readonly recordedChange: number
}

/**
 * Opens the keys of a folder as far as they can be believed: under the peppers that they were made
 * with, each row as it was written, and none of an older moment than the ledger knows.
 *
 * @throws SetupError `data_*`, `pepper_*`
 */
export async function openKeys(
  folder: DataFolder,
  { pepper, isRestored = false, clock, telemetry }: OpenKeysOptions,
): Promise<OpenedKeys> {
  // Before the database is opened, which creates a missing one.
  const pepperText = pepper === undefined ? readPepperFile(folder) : undefined
  refuseLostKeys(folder, pepperText !== undefined)
  // Before the store is read, which is changed first and recorded second.
  const recordedChange = findLatestChange(folder.ledgerFile)
  const file = openSqliteKeyFile({ file: folder.databaseFile, clock })
  try {
    if (!isRestored) refuseUnbelieved(folder, file, recordedChange)
    const peppers =
      pepper === undefined
        ? openPeppers(folder, pepperText, file.hasKeys())
        : parsePeppers(pepper, 'the environment')
    file.upgrade(peppers)
    await checkPeppers(file.settings, peppers)
    const keys = file.openStore(peppers, telemetry)
    if (!isRestored) await refuseOlder(folder, keys, recordedChange)
    return { keys, peppers, recordedChange }
  } catch (error) {
    file.close()
    throw error instanceof Fault ? unreadable(folder, error) : error
  }
}

/** What is an outage later is no start. */
function unreadable({ databaseFile }: DataFolder, fault: Fault): SetupError {
  const says = `${databaseFile}: it is damaged (${fault.message}); restore a backup`
  return new SetupError('data_corrupt', says, { cause: fault })
}

/** The pepper and the ledger are created after the database. */
function refuseLostKeys({ databaseFile, ledgerFile }: DataFolder, hasPepper: boolean): void {
  const beside = hasPepper ? 'pepper' : existsSync(ledgerFile) ? 'ledger' : undefined
  const size = statSync(databaseFile, { throwIfNoEntry: false })?.size
  if (beside === undefined || (size !== undefined && size > 0)) return
  throw new SetupError(
    'data_corrupt',
    `${databaseFile}: the file is ${size === 0 ? 'empty' : 'gone'}, and the ${beside} beside it says that there were keys; restore it from your backup, or move pepper and ledger away to begin anew`,
  )
}

/** A file of an older version has no MACs yet; where its changes were counted, it had. */
function refuseUnbelieved(
  { path, databaseFile }: DataFolder,
  file: SqliteKeyFile,
  recordedChange: number,
): void {
  if (file.isBelieved || recordedChange === 0) return
  throw new SetupError(
    'data_corrupt',
    `${databaseFile}: its rows have no MACs, and the ledger says that they had; put the newer file back, or, if it is a backup of an older version that you restored, run modelward keys restored --data ${path}`,
  )
}

async function refuseOlder(
  { path, databaseFile }: DataFolder,
  keys: SqliteKeyStore,
  recordedChange: number,
): Promise<void> {
  const { cursor } = await keys.readChanges(undefined)
  if (cursor >= recordedChange) return
  throw new SetupError(
    'data_older',
    `${databaseFile}: its last change is number ${cursor}, and the ledger has records up to number ${recordedChange}: changes such as revocations are missing; put the newer file back, or, if it is a backup that you restored, run modelward keys restored --data ${path}`,
  )
}
