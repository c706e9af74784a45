import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { Fault } from '../../core/fault.ts'
import { isError } from '../../core/runtime/is-error.ts'
import { SetupError, type SetupErrorCode } from '../../core/setup-error.ts'

/** Primary result codes, https://sqlite.org/rescode.html */
const resultCodes = {
  busy: 5,
  locked: 6,
  readonly: 8,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  cantopen: 14,
  notadb: 26,
}

/** Extended codes of IOERR for writes: WRITE, FSYNC, DIR_FSYNC, TRUNCATE, LOCK, shared memory. */
const writeErrors = new Set(
  [3, 4, 5, 6, 15, 18, 19, 20].map((extension) => resultCodes.ioerr + extension * 256),
)

/** The extended result code of an SQLite error; undefined for any other. */
function resultCodeOf(error: unknown): number | undefined {
  if (!isError(error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

/** Whether another connection has the lock, so that trying again may help. */
export function isBusy(error: unknown): boolean {
  const primary = (resultCodeOf(error) ?? 0) & 0xff
  return primary === resultCodes.busy || primary === resultCodes.locked
}

/** Whether a file is shorter than what SQLite wrote: IOERR_SHORT_READ. */
export function isShortRead(error: unknown): boolean {
  return resultCodeOf(error) === resultCodes.ioerr + 2 * 256
}

/** Whether the file is damaged: CORRUPT, or an integer such as no program of ours writes. */
export function isCorrupt(error: unknown): boolean {
  if (((resultCodeOf(error) ?? 0) & 0xff) === resultCodes.corrupt) return true
  return isError(error) && error.name === 'RangeError' && 'code' in error && error.code === 'ERR_OUT_OF_RANGE'
}

/**
 * Whether the disk cannot be written or read: FULL, IOERR but for a file that was cut, and READONLY
 * without more: the file system has become so, as after errors of its disk.
 */
export function isDiskError(error: unknown): boolean {
  const code = resultCodeOf(error) ?? 0
  if (code === resultCodes.readonly || isFull(error)) return true
  return (code & 0xff) === resultCodes.ioerr && !isShortRead(error)
}

/** Whether the disk has no room. */
export function isFull(error: unknown): boolean {
  return ((resultCodeOf(error) ?? 0) & 0xff) === resultCodes.full
}

/**
 * A failure while running, for the callers of a store. Errors that are not SQLite's are bugs and
 * pass unchanged.
 */
export function faultOf(error: unknown): unknown {
  const code = resultCodeOf(error)
  if (code === undefined || !isError(error)) return error
  return new Fault('store_unavailable', `SQLite: ${error.message} (result code ${code})`, { cause: error })
}

/**
 * A failure while opening, for the operator. Errors of neither SQLite nor the file system pass
 * unchanged.
 */
export function setupErrorOf(error: unknown, file: string): unknown {
  if (!isError(error) || error instanceof SetupError) return error
  const code = resultCodeOf(error)
  const reason = code === undefined ? fileReasonOf(error, file) : databaseReasonOf(code)
  if (reason === undefined) return error
  return new SetupError(reason.code, `${file}: ${reason.says} (${error.message})`, { cause: error })
}

/** Serverless images are mounted so, but for a folder for temporary files, which each loses. */
export const readOnly =
  'this file system is read-only, as in a serverless image; name a folder on a disk that can be written and stays, or a fleet’s database URL and Redis URL in its place'

interface Reason {
  readonly code: SetupErrorCode
  readonly says: string
}

function databaseReasonOf(code: number): Reason {
  switch (code & 0xff) {
    case resultCodes.busy:
    case resultCodes.locked:
      return { code: 'data_locked', says: 'another program holds the database locked' }
    case resultCodes.corrupt:
      return { code: 'data_corrupt', says: 'the database is damaged; restore a backup' }
    case resultCodes.notadb:
      return { code: 'data_corrupt', says: 'this is not an SQLite database' }
    case resultCodes.full:
      return { code: 'data_unwritable', says: 'no space is left' }
    case resultCodes.readonly:
      return { code: 'data_unwritable', says: 'the database cannot be written' }
    case resultCodes.ioerr:
      return writeErrors.has(code)
        ? { code: 'data_unwritable', says: 'the database cannot be written' }
        : { code: 'data_unreadable', says: 'the database cannot be read' }
    default:
      return { code: 'data_unreadable', says: 'the database cannot be opened' }
  }
}

function fileReasonOf(error: Error, file: string): Reason | undefined {
  switch ('code' in error ? error.code : undefined) {
    case 'ENOENT':
      // The folder exists and takes no file: /proc, for one.
      return existsSync(dirname(file))
        ? { code: 'data_unwritable', says: 'the file cannot be created' }
        : { code: 'data_missing', says: 'there is no such folder' }
    case 'EISDIR':
      return { code: 'data_unreadable', says: 'a folder is in the place of the file' }
    case 'EROFS':
      return { code: 'data_unwritable', says: readOnly }
    case 'EACCES':
    case 'EPERM':
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EIO':
    case 'ENOTSUP':
    case 'EOPNOTSUPP':
    case 'ENOSYS':
    case 'ENOTDIR':
      return { code: 'data_unwritable', says: 'the file cannot be written' }
    default:
      return undefined
  }
}
