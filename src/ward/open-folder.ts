import { SetupError } from '../core/setup-error.ts'
import { checkPeppers } from '../keys/check-peppers.ts'
import type { LedgerCheckpoint } from '../ledger/format/checkpoint.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { createInProcessLimiter } from '../limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../limits/limiter.ts'
import { drawPepper, type Peppers, parsePeppers } from '../secrets/peppers.ts'
import type { JobStore } from '../storage/job-store.ts'
import { type DataFolder, openDataFolder } from '../storage/sqlite/data-folder.ts'
import { openSqliteKeyStore } from '../storage/sqlite/keys/key-store.ts'
import { openSqliteUsageStore } from '../storage/sqlite/limits/usage-store.ts'
import type { WardJobsOptions } from './jobs-options.ts'
import { createLazyLedger } from './lazy-ledger.ts'
import { openFolderLedger } from './open-ledger.ts'
import { createWard, type Ward, type WardOptions } from './ward.ts'

/** How a data folder's ledger is written. */
export interface FolderLedgerOptions {
  /** Milliseconds after which records are dropped. @default never */
  readonly keepMs?: number
  /** Bytes of the file beyond which its oldest records are. @default never */
  readonly bytesMax?: number
  /** Whether to begin a stream at the first record rather than at once, for whoever may have nothing to record. @default false */
  readonly isLazy?: boolean
  /** Told of every signed checkpoint. */
  readonly onCheckpoint?: (checkpoint: LedgerCheckpoint) => void
  /** Told of streams of others that have no end: killed, or still running. */
  readonly onUnclosed?: (streams: readonly string[]) => void
  /** Told of a new signing key for a ledger that was there; what it means, and the public key. @default onFault */
  readonly onNewSigningKey?: (message: string, publicKey: string) => void
}

export interface OpenWardOptions extends Omit<WardOptions, 'store' | 'peppers' | 'ledger' | 'jobs'> {
  /** Path of the data folder. */
  readonly data: string
  /** Whether to make the folder and its pepper where there are none; otherwise that is `data_missing`. */
  readonly create: boolean
  /** The peppers, where they come from the environment and not from the folder's file. */
  readonly pepper?: string
  /**
   * Whether what is used of windows of an hour and more, and of quotas, is kept in the folder for the next process. One process at a
   * time can: `always` fails with `data_in_use` where another does, `if_free` then counts in memory and says so. @default it is not
   */
  readonly keepLimits?: 'always' | 'if_free'
  /** Calls that are answered later, kept in the folder's `jobs.db`. @default none */
  readonly folderJobs?: WardJobsOptions
  /** The folder's ledger; `none`: nothing is recorded in it. @default written at once */
  readonly folderLedger?: FolderLedgerOptions | 'none'
}

export interface OpenWard {
  readonly ward: Ward
  readonly folder: DataFolder
}

const pepperFile = 'pepper'

/** Opens the deployment in a data folder: its database, its peppers and the guard over them. Fails with a `SetupError`. */
export async function openWard(options: OpenWardOptions): Promise<OpenWard> {
  const folder = openDataFolder(options.data, { create: options.create })
  const pepperText =
    options.pepper === undefined ? folder.readSecretFile(pepperFile, 'pepper_unreadable') : undefined
  // In this order: the pepper is made after the database, so whoever finds one finds a database that was filled.
  if (pepperText !== undefined && folder.hasEmptyDatabase()) throw lostDatabase(folder)
  const store = openSqliteKeyStore({
    file: folder.databaseFile,
    ...(options.clock && { clock: options.clock }),
  })
  let limiter: Limiter | undefined
  let ledger: Ledger | undefined
  let jobStore: JobStore | undefined
  try {
    const { hasKeys } = await store.readChanges(undefined)
    const peppers = openPeppers(folder, options.pepper, pepperText, hasKeys)
    // Before anything more is made in the folder.
    await checkPeppers(store, peppers)
    limiter = options.limiter ?? openLimiter(folder, options)
    ledger = await openLedger(folder, options)
    jobStore = await openJobStore(folder, options)
    const jobs = options.folderJobs && jobStore && { ...options.folderJobs, store: jobStore }
    const parts = {
      store,
      peppers,
      ...(limiter && { limiter }),
      ...(ledger && { ledger }),
      ...(jobs && { jobs }),
    }
    return { folder, ward: await createWard({ ...options, ...parts }) }
  } catch (error) {
    await Promise.all([jobStore?.close(), ledger?.close(), limiter?.close(), store.close()])
    throw error
  }
}

/** The folder's ledger, which this process writes a stream of; undefined where it shall not. */
async function openLedger(
  folder: DataFolder,
  { folderLedger = {}, clock, onFault }: OpenWardOptions,
): Promise<Ledger | undefined> {
  if (folderLedger === 'none') return undefined
  const { keepMs, bytesMax, isLazy = false, onCheckpoint, onUnclosed } = folderLedger
  const { onNewSigningKey = (message: string) => onFault?.(message, undefined) } = folderLedger
  const retention = {
    ...(keepMs !== undefined && { ageMs: keepMs }),
    ...(bytesMax !== undefined && { bytes: bytesMax }),
  }
  const open = () =>
    openFolderLedger(folder, {
      retention,
      onNewSigningKey,
      ...(clock && { clock }),
      ...(onCheckpoint && { onCheckpoint }),
      ...(onUnclosed && { onUnclosed }),
      ...(onFault && { onFault }),
    })
  return isLazy ? createLazyLedger(open) : open()
}

/** Where the folder's jobs are kept; undefined where there shall be none. Loaded now: most who open a folder have no jobs. */
async function openJobStore(
  { jobsFile }: DataFolder,
  { folderJobs, onFault }: OpenWardOptions,
): Promise<JobStore | undefined> {
  if (folderJobs === undefined) return undefined
  const { openSqliteJobStore } = await import('../storage/sqlite/jobs/job-store.ts')
  return openSqliteJobStore({ file: jobsFile, ...(onFault && { onFault }) })
}

/** A limiter that keeps what is used in the folder; undefined where none shall, or another process does. */
function openLimiter(
  { path, limitsFile }: DataFolder,
  { keepLimits, clock, monotonic, onFault = () => {} }: OpenWardOptions,
): Limiter | undefined {
  if (keepLimits === undefined) return undefined
  try {
    const memory = openSqliteUsageStore({ file: limitsFile, ...(clock && { clock }) })
    return createInProcessLimiter({
      store: memory,
      onFault,
      maintainMs: 1_000,
      ...(clock && { clock }),
      ...(monotonic && { monotonic }),
    })
  } catch (error) {
    if (!(error instanceof SetupError) || error.code !== 'data_locked') throw error
    if (keepLimits === 'always')
      throw new SetupError(
        'data_in_use',
        `${path}: another server, or an app with its own guard, keeps its limits in this data folder`,
        { cause: error },
      )
    onFault(
      'another process keeps its limits in this data folder: this one counts in its own memory, and forgets when it ends',
      error,
    )
    return undefined
  }
}

/** A missing pepper is made only where no key can depend on an earlier one. */
function openPeppers(
  folder: DataFolder,
  fromEnvironment: string | undefined,
  fromFile: string | undefined,
  hasKeys: boolean,
): Peppers {
  if (fromEnvironment !== undefined) return parsePeppers(fromEnvironment, 'the environment')
  const source = `${folder.path}/${pepperFile}`
  // Once more where there are keys: another process, which began the folder at the same moment, has made it before its first key.
  const found = fromFile ?? (hasKeys ? folder.readSecretFile(pepperFile, 'pepper_unreadable') : undefined)
  if (found !== undefined) return parsePeppers(found, source)
  if (hasKeys) {
    throw new SetupError(
      'pepper_missing',
      `${source} is not there, and the keys in this folder cannot be verified without it; restore it from your backup`,
    )
  }
  return parsePeppers(folder.createSecretFile(pepperFile, `${drawPepper(1)}\n`), source)
}

function lostDatabase({ databaseFile }: DataFolder): SetupError {
  return new SetupError(
    'data_corrupt',
    `${databaseFile}: the file is empty, and the pepper beside it says that it was not; restore it from your backup, or remove both to begin anew`,
  )
}
