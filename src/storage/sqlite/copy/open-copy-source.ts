import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { Fault } from '../../../core/fault.ts'
import { SetupError } from '../../../core/setup-error.ts'
import { publicKeyOf } from '../../../ledger/format/checkpoint.ts'
import { type Peppers, parsePeppers } from '../../../secrets/peppers.ts'
import { createRowMacs } from '../../../secrets/row-macs.ts'
import { parseSigningKeys } from '../../../secrets/signing-key.ts'
import { noTelemetry } from '../../../telemetry/telemetry.ts'
import { type CopiedRow, ownSettings } from '../../copy/copied-tables.ts'
import type { CopiedClock, CopySource, SourceHistory } from '../../copy/copy-source.ts'
import { createRowSieve, type RowSieve } from '../../copy/damaged-rows.ts'
import { createBelievedRows } from '../../keys/believed-rows.ts'
import { type DataFolder, openDataFolder } from '../data-folder.ts'
import type { SqliteDatabase } from '../database.ts'
import { openDatabase } from '../driver.ts'
import { dataInUse } from '../holder-file.ts'
import { checkJobs } from '../jobs/check-jobs.ts'
import { openJobDatabase } from '../jobs/job-database.ts'
import { getLatestChange } from '../ledger/latest-change.ts'
import { openLedgerDatabase } from '../ledger/ledger-database.ts'
import { openUsageDatabaseToRead } from '../ledger/usage/usage-database.ts'
import { prepareUsageDatabase } from '../limits/usage-schema.ts'
import { createUsageTable, type UsageTable } from '../limits/usage-table.ts'
import { markMoved, readMoved } from '../moved-file.ts'
import { openKeys } from '../open-keys.ts'
import { readPepperFile } from '../pepper-file.ts'
import { readPublicKeys } from '../signing-key.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { jobRows } from './job-rows.ts'
import { keyRows } from './key-rows.ts'
import { ledgerHistory, ledgerRows, usageRows } from './ledger-rows.ts'
import { limitRows } from './limit-rows.ts'
import type { RowReaders } from './row-readers.ts'

/** What the nodes of the fleet are given. */
export interface CopySecrets {
  readonly pepper: string | undefined
  readonly signingKey: string | undefined
}

/**
 * Opens a data folder to copy it. Until it is closed, or its process ends, no server opens the
 * folder and no command changes it.
 *
 * @throws SetupError `data_*`; `data_in_use` while a server runs; `pepper_*` and `config_invalid`
 *   where the folder's secrets are not those that the fleet is given
 */
export async function openCopySource(path: string, secrets: CopySecrets): Promise<CopySource> {
  const folder = openDataFolder(path, { create: false })
  const { peppers, publicKey } = checkSecrets(folder, secrets)
  const opened: (() => void)[] = []
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).toReversed()) end()
  }
  try {
    const lock = folder.lockForServer()
    opened.push(lock.release)
    const id = await readId(folder, secrets)
    const hold = (database: SqliteDatabase): SqliteDatabase => {
      opened.push(() => database.close())
      return database
    }
    const limits = openLimits(folder, hold)
    const sieve = createRowSieve()
    const { readers, history } = openReaders(folder, peppers, { hold, sieve })
    const readLimits = limits && limitRows(limits, sieve)
    function* rows(name: string, clock: CopiedClock, after?: CopiedRow): Generator<CopiedRow> {
      // A key is never undefined, nor true or false.
      const key = after as Parameters<RowReaders[string]>[0]
      if (name === 'kept_uses') yield* readLimits?.(clock, after) ?? []
      else yield* readers[name]?.(key) ?? []
    }
    return {
      ...{ id, publicKey },
      name: folder.path,
      movedTo: readMoved(folder.path),
      steadyNow() {
        try {
          return steadyNow(limits)
        } catch (error) {
          throw unreadable(folder, error)
        }
      },
      *rows({ name, initial = [] }, clock, after) {
        try {
          yield* name in readers || name === 'kept_uses' ? rows(name, clock, after) : initial
        } catch (error) {
          throw unreadable(folder, error)
        }
      },
      findDamaged() {
        try {
          for (const name of summedTables) sieve.lookThrough(rows(name, { shiftMs: 0, now: 0 }))
          return sieve.found()
        } catch (error) {
          throw unreadable(folder, error)
        }
      },
      history,
      markMoved: (to) => markMoved(folder.path, to),
      close,
    }
  } catch (error) {
    await close()
    throw unreadable(folder, error)
  }
}

/** Tables whose rows tell whether they are the ones that were written. */
const summedTables = [
  ...['keys', 'owners', 'answers', 'kept_uses'],
  ...['jobs', 'kept_answers', 'deliveries', 'webhook_secrets'],
]

/** The folder's own secrets have to be those of the fleet: nothing that it keeps fits others. */
function checkSecrets(
  folder: DataFolder,
  { pepper, signingKey }: CopySecrets,
): { readonly peppers: Peppers; readonly publicKey: string } {
  const todo = `give the fleet the folder's own: export MODELWARD_PEPPER="$(cat '${folder.path}/pepper')" MODELWARD_SIGNING_KEY="$(cat '${folder.path}/signing-key')"`
  if (pepper === undefined) throw new SetupError('pepper_missing', `a copy needs MODELWARD_PEPPER; ${todo}`)
  if (signingKey === undefined)
    throw new SetupError('config_invalid', `a copy needs MODELWARD_SIGNING_KEY; ${todo}`)
  const given = parsePeppers(pepper, 'the environment')
  const own = readPepperFile(folder)
  if (own !== undefined && !areSame(given, parsePeppers(own, `${folder.path}/pepper`)))
    throw new SetupError('pepper_mismatch', `MODELWARD_PEPPER is not the pepper of ${folder.path}; ${todo}`)
  const ownKey = readPublicKeys(folder.path)[0]
  const givenKey = publicKeyOf(parseSigningKeys(signingKey, 'the environment').key)
  if (ownKey !== undefined && ownKey !== givenKey)
    throw new SetupError('config_invalid', `MODELWARD_SIGNING_KEY is not the key of ${folder.path}; ${todo}`)
  return { peppers: given, publicKey: givenKey }
}

function areSame(one: Peppers, other: Peppers): boolean {
  return (
    one.versions.join() === other.versions.join() &&
    one.versions.every((version) => one.checkValue(version) === other.checkValue(version))
  )
}

/** Checks the keys as a start does, and brings them up to this version. */
async function readId(folder: DataFolder, { pepper }: CopySecrets): Promise<string> {
  const { keys } = await openKeys(folder, { pepper })
  try {
    return await keys.addSetting(ownSettings.source, randomUUID())
  } finally {
    await keys.close()
  }
}

/** Milliseconds that a command may take to end which writes the folder. */
const waitMs = 5_000

interface OpenedReaders {
  readonly readers: RowReaders
  readonly history: SourceHistory | undefined
}

function openReaders(
  { databaseFile, jobsFile, ledgerFile }: DataFolder,
  peppers: Peppers,
  { hold, sieve }: { readonly hold: (database: SqliteDatabase) => SqliteDatabase; readonly sieve: RowSieve },
): OpenedReaders {
  // One moment of each file; who would write it waits until this process ends.
  const begin = (database: SqliteDatabase): SqliteDatabase => {
    database.exec(`PRAGMA busy_timeout = ${waitMs}; BEGIN IMMEDIATE`)
    return database
  }
  const macs = createRowMacs(peppers)
  const openJobs = (): RowReaders => {
    const database = hold(openJobDatabase(jobsFile))
    // As a start does: rows that an index hides would be missed.
    checkJobs(database, jobsFile)
    return jobRows(begin(database), sieve, macs)
  }
  const keys = begin(hold(openDatabase({ file: databaseFile, busyTimeoutMs: waitMs, cacheKiB: 16_384 })))
  const readers = keyRows(keys, createBelievedRows(macs, noTelemetry), sieve)
  const ofJobs = existsSync(jobsFile) ? openJobs() : {}
  if (!existsSync(ledgerFile)) return { readers: { ...readers, ...ofJobs }, history: undefined }
  const ledger = begin(hold(openLedgerDatabase({ file: ledgerFile, busyTimeoutMs: waitMs })))
  // A start is refused where it is damaged, and so is a copy, before a row is read.
  getLatestChange(ledger, ledgerFile)
  const usage = openUsageDatabaseToRead(ledgerFile)
  const { rows: ofUsage, filled } =
    usage === undefined ? { rows: {}, filled: 0 } : usageRows(hold(usage), ledger)
  return {
    readers: { ...readers, ...ofJobs, ...ledgerRows(ledger, ledgerFile), ...ofUsage },
    history: ledgerHistory(ledger, filled),
  }
}

/** Undefined where nothing was stored. @throws SetupError `data_in_use` while an app has them */
function openLimits(
  { path, limitsFile: file }: DataFolder,
  hold: (database: SqliteDatabase) => SqliteDatabase,
): UsageTable | undefined {
  if (!existsSync(file)) return undefined
  try {
    const database = hold(openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 16_384 }))
    prepareUsageDatabase(database, file)
    return createUsageTable(database)
  } catch (error) {
    const reason = setupErrorOf(error, file)
    throw reason instanceof SetupError && reason.code === 'data_locked' ? dataInUse(path, error) : reason
  }
}

function steadyNow(limits: UsageTable | undefined): number {
  const wall = Date.now()
  const mark = limits?.findMark()
  return mark === undefined ? wall : mark.steady + Math.max(0, wall - mark.wall)
}

function unreadable({ path }: DataFolder, error: unknown): unknown {
  if (!(error instanceof Fault)) return setupErrorOf(error, path)
  return new SetupError('data_corrupt', `${path}: ${error.message}; restore a backup`, { cause: error })
}
