import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  type Stats,
  statSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { isError } from '../../core/runtime/is-error.ts'
import { SetupError, type SetupErrorCode } from '../../core/setup-error.ts'
import { databaseName } from './identify-folder.ts'
import { createSecretFile, readSecretFile, replaceSecretFile, syncFolder } from './secret-file.ts'
import { lockForServer, type ServerLock } from './server-lock.ts'
import { readOnly, setupErrorOf } from './sqlite-error.ts'

/** The folder of a deployment on one machine. */
export interface DataFolder {
  /** Absolute. */
  readonly path: string
  /** The keys, for `openSqliteKeyStore`. */
  readonly databaseFile: string
  /** Usage of limits, for `openSqliteUsageStore`. */
  readonly limitsFile: string
  /** Jobs, for `openSqliteJobStore`. */
  readonly jobsFile: string
  readonly ledgerFile: string
  /** The text of a secret file; undefined if missing. @throws SetupError with the given code */
  readonly readSecretFile: (name: string, unreadable: SetupErrorCode) => string | undefined
  /**
   * Creates a secret file, 0600, unless it exists. Returns what it holds then: one text for all
   * processes that create it at once.
   *
   * @throws SetupError `data_unwritable`, `data_unreadable`
   */
  readonly createSecretFile: (name: string, text: string) => string
  /** Replaces a secret file, 0600, atomically and durably. @throws SetupError `data_unwritable` */
  readonly replaceSecretFile: (name: string, text: string) => void
  /**
   * Makes this process the folder's one server until it releases the lock or ends, however it ends.
   * Other processes may still use the database.
   *
   * @throws SetupError `data_in_use`
   */
  readonly lockForServer: () => ServerLock
}

export interface DataFolderOptions {
  /** Whether to create a missing folder, and its parents. */
  readonly create: boolean
}

/**
 * Opens a data folder and closes it to other users: 0700. An existing folder is closed too if that
 * harms no one: if it is empty or holds our database. Any other folder open to others is refused:
 * `--data .` or `--data /tmp` must not change what is not ours.
 *
 * @throws SetupError `data_missing`, `data_unwritable` (also: not a folder), `config_invalid` (open
 *   to other users)
 */
export function openDataFolder(path: string, options: DataFolderOptions): DataFolder {
  const folder = resolve(path)
  try {
    if (options.create) createFolder(folder)
    const found = statFolder(folder)
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    closeToOthers(folder, found)
    refuseLinks(folder)
  } catch (error) {
    throw setupErrorOf(error, folder)
  }
  return {
    path: folder,
    databaseFile: join(folder, databaseName),
    limitsFile: join(folder, 'limits.db'),
    jobsFile: join(folder, 'jobs.db'),
    ledgerFile: join(folder, 'ledger.db'),
    readSecretFile: (name, unreadable) => readSecretFile(folder, name, unreadable),
    createSecretFile: (name, text) => createSecretFile(folder, name, text),
    replaceSecretFile: (name, text) => replaceSecretFile(folder, name, text),
    lockForServer: () => lockForServer(folder),
  }
}

/**
 * One by one: recursive `mkdirSync` never returns where folders cannot be created, as in `/proc`
 * (Node 24.21).
 */
function createFolder(folder: string): void {
  if (existsSync(folder)) return
  const above = dirname(folder)
  createFolder(above)
  try {
    mkdirSync(folder, { mode: 0o700 })
    syncFolder(above)
  } catch (error) {
    // Another process was first, or a broken link is in its place, which the next look at it finds.
    const code = isError(error) && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') return
    const why = code === 'EROFS' ? readOnly : 'the data folder cannot be created'
    throw new SetupError('data_unwritable', `${folder}: ${why} (${error})`, { cause: error })
  }
}

/** What this program puts in the folder; anything else there is not touched. */
const ours =
  /^(?:[a-z-]+\.db(?:-.*)?|pepper|signing-key|server\.lock|holder\.json|moved\.json|first-keys\.json|control\.sock|ballast|probe)$/

/**
 * A link in the place of a file may lead to one of another program, or of another deployment. The
 * folder itself may be a link, and a file may be mounted: neither is decided by what stands in the
 * folder.
 */
function refuseLinks(folder: string): void {
  const entries = readdirSync(folder, { withFileTypes: true })
  const link = entries.find((entry) => entry.isSymbolicLink() && ours.test(entry.name))
  if (link === undefined) return
  throw new SetupError(
    'config_invalid',
    `${join(folder, link.name)}: is a symbolic link, and links in the data folder are not followed; put the file itself there, or name a pepper elsewhere by MODELWARD_PEPPER_FILE`,
  )
}

function statFolder(folder: string): Stats {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found === undefined) throw new SetupError('data_missing', `${folder}: there is no such data folder`)
  if (!found.isDirectory())
    throw new SetupError('data_unwritable', `${folder}: expected a folder, got a file`)
  return found
}

function closeToOthers(folder: string, found: Stats): void {
  // Windows has no such modes.
  if ((found.mode & 0o077) === 0 || process.platform === 'win32') return
  const names = readdirSync(folder)
  const isOurs =
    names.includes(databaseName) || names.every((name) => name.startsWith('.') || name === 'lost+found')
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  if (!isOurs)
    throw new SetupError(
      'config_invalid',
      `${folder}: other users may enter this folder (mode ${mode}) and it holds files that are not Modelward's; ` +
        'name an empty or a new folder, or run chmod 700 on it',
    )
  try {
    chmodSync(folder, 0o700)
    refuseWithoutModes(folder)
  } catch (error) {
    if (error instanceof SetupError) throw error
    // A volume of another user that is shared with our group, as orchestrators mount them, is as
    // closed as its owner wants it. Its files are 0600 all the same.
    if ((found.mode & 0o007) === 0) return
    throw new SetupError(
      'config_invalid',
      `${folder}: other users may enter this folder (mode ${mode}) and it belongs to another user; have its owner run chmod 700 on it`,
      { cause: error },
    )
  }
}

/** Some mounts take any mode and keep their own. */
function refuseWithoutModes(folder: string): void {
  if ((statSync(folder).mode & 0o077) === 0) return
  throw new SetupError(
    'config_invalid',
    `${folder}: other users may enter this folder, and its file system keeps no modes (exFAT, SMB); mount it with umask=077, or name a folder on another disk`,
  )
}
