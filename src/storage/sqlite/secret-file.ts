import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { isError } from '../../core/runtime/is-error.ts'
import { SetupError, type SetupErrorCode } from '../../core/setup-error.ts'
import { setupErrorOf } from './sqlite-error.ts'

/** Names of secret files: they cannot lead out of the folder. */
const namePattern = /^[a-z][a-z0-9.-]{0,63}$/

/**
 * Reads a file of the folder; undefined if missing.
 *
 * @param unreadable the code for a file that cannot be read
 * @throws SetupError with that code
 */
export function readSecretFile(folder: string, name: string, unreadable: SetupErrorCode): string | undefined {
  const path = pathOf(folder, name)
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    const why = isError(error) ? error.message : String(error)
    throw new SetupError(unreadable, `${path}: cannot be read (${why})`, { cause: error })
  }
}

/**
 * Creates a file with mode 0600 unless it exists. Returns what it holds then: one text for all
 * processes that create it at once. File and name are durable when this returns.
 *
 * @throws SetupError `data_unwritable`, `data_unreadable`
 */
export function createSecretFile(folder: string, name: string, text: string): string {
  const path = pathOf(folder, name)
  try {
    withTemporaryFile(folder, name, text, (temporary) => giveName(temporary, path))
    syncFolder(folder)
  } catch (error) {
    throw setupErrorOf(error, path)
  }
  const stored = readSecretFile(folder, name, 'data_unreadable')
  if (stored === undefined)
    throw new SetupError('data_unreadable', `${path}: was removed while it was being created`)
  return stored
}

/**
 * Replaces a file, mode 0600. Readers see the old text or the new, never a part. Durable when this
 * returns.
 *
 * @throws SetupError `data_unwritable`
 */
export function replaceSecretFile(folder: string, name: string, text: string): void {
  const path = pathOf(folder, name)
  try {
    withTemporaryFile(folder, name, text, (temporary) => renameSync(temporary, path))
    syncFolder(folder)
  } catch (error) {
    throw setupErrorOf(error, path)
  }
}

/** Of file systems without hard links: exFAT, SMB, some of those that containers mount. */
const linkless = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

/** Names a file, unless there is one of that name. */
function giveName(temporary: string, path: string): void {
  try {
    // A link: a rename would replace what another process has just created and may use.
    linkSync(temporary, path)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return
    if (!linkless.some((code) => isErrno(error, code))) throw error
    giveNameInTurn(temporary, path)
  }
}

const turnMs = 20
const turnsMax = 250

/** The same by a rename. Of several processes the one that makes a folder has its turn. */
function giveNameInTurn(temporary: string, path: string): void {
  const turn = `${path}.turn`
  for (let tries = 0; !existsSync(path); tries += 1) {
    if (tries === turnsMax)
      throw new SetupError(
        'data_unwritable',
        `${turn}: a process that was creating ${path} has ended; delete this folder, and start again`,
      )
    try {
      mkdirSync(turn)
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, turnMs)
      continue
    }
    try {
      if (!existsSync(path)) renameSync(temporary, path)
    } finally {
      rmdirSync(turn)
    }
  }
}

/** Makes the names in a folder durable. Windows does so by itself, and cannot open a folder. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function withTemporaryFile(folder: string, name: string, text: string, use: (path: string) => void): void {
  const temporary = join(folder, `.${name}.${randomBytes(8).toString('hex')}.tmp`)
  try {
    const descriptor = openSync(temporary, 'wx', 0o600)
    try {
      writeFileSync(descriptor, text)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    use(temporary)
  } finally {
    rmSync(temporary, { force: true })
  }
}

function pathOf(folder: string, name: string): string {
  if (!namePattern.test(name))
    throw new TypeError(`secret file name: expected ${namePattern.source}, got ${JSON.stringify(name)}`)
  return join(folder, name)
}

function isErrno(error: unknown, code: string): boolean {
  return isError(error) && 'code' in error && error.code === code
}
