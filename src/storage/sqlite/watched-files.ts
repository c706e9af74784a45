import { type BigIntStats, statSync } from 'node:fs'
import { Fault } from '../../core/fault.ts'
import { readValue, type SqliteDatabase } from './database.ts'
import { isShortRead } from './sqlite-error.ts'

/**
 * Notices if files of an open database are deleted, replaced or cut: what was written to them is
 * lost then, and what is written next would be.
 */
export interface WatchedFiles {
  /**
   * Three system calls. Not within a transaction.
   *
   * @throws Fault `store_unavailable` if a file is not the one it was, until it is back; for good
   *   if the log was cut
   */
  readonly check: () => void
  /** The same, without the length of the log: within a transaction. */
  readonly checkNames: () => void
}

interface WatchedFile {
  readonly path: string
  readonly identity: string
  /** Whether it may become shorter while it is open. */
  readonly mayShrink: boolean
  /** The most bytes that were seen of it. */
  size: bigint
}

const wayOut = 'put it back, or start again with the files that are there'

/**
 * Watches a database, its write-ahead log and the log's index, which exist for as long as it is
 * open; the index only where several processes may have it open.
 *
 * @param database the open one: if it writes, the length of the log is compared with what it holds
 */
export function watchFiles(file: string, database?: SqliteDatabase): WatchedFiles {
  const watched = [watchFile(file, true), watchFile(`${file}-shm`, false)].filter(
    (found) => found !== undefined,
  )
  const log = watchFile(`${file}-wal`, true)
  let cut: Fault | undefined

  function checkNames(): void {
    for (const one of watched) checkFile(one)
    if (log !== undefined) checkFile(log)
  }

  function check(): void {
    if (cut !== undefined) throw cut
    for (const one of watched) checkFile(one)
    if (log === undefined) return
    const size = checkFile(log)
    const state = size >= log.size || database === undefined ? 'whole' : askLog(database, log)
    if (state === 'unknown') return
    log.size = checkFile(log)
    if (state === 'whole') return
    cut = new Fault(
      'store_unavailable',
      `${log.path} was cut off while in use, and with it changes that were confirmed; restart: modelward doctor and ledger verify say what is missing`,
    )
    throw cut
  }

  return { check, checkNames }
}

function watchFile(path: string, mayShrink: boolean): WatchedFile | undefined {
  const found = lookAt(path)
  return found && { path, mayShrink, identity: identityOf(found), size: found.size }
}

/** The size of a file that is the one it was. */
function checkFile({ path, identity, mayShrink, size }: WatchedFile): bigint {
  const found = lookAt(path)
  if (found === undefined) throw new Fault('store_unavailable', `${path} was deleted while in use; ${wayOut}`)
  if (identityOf(found) !== identity)
    throw new Fault('store_unavailable', `${path} was replaced while in use; ${wayOut}`)
  // To read on in memory that a file no longer backs would end the process (SIGBUS).
  const isCut = mayShrink ? found.size === 0n && size > 0n && !path.endsWith('-wal') : found.size < size
  if (isCut)
    throw new Fault(
      'store_unavailable',
      `${path} was ${found.size === 0n ? 'emptied' : 'cut off'} while in use; ${wayOut}`,
    )
  return found.size
}

/** Bytes of the log's header, and of a frame's. */
const logHeaderBytes = 32n
const frameHeaderBytes = 24n

/** How often it is asked, as another process may empty the log between two questions. */
const triesMax = 3

/**
 * Whether a log that became shorter has all frames that it must have: SQLite empties it too.
 * Unknown while another process copies the log.
 */
function askLog(database: SqliteDatabase, log: WatchedFile): 'whole' | 'cut' | 'unknown' {
  const frameBytes = frameHeaderBytes + BigInt(Number(readValue(database, 'PRAGMA page_size')))
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const frames = countFrames(database)
    if (frames === undefined) return 'unknown'
    if (frames === 0 || checkFile(log) >= logHeaderBytes + BigInt(frames) * frameBytes) return 'whole'
  }
  return 'cut'
}

/**
 * Copies what it can of the log into the file, which fails where frames are missing: more than any
 * log has are then expected.
 */
function countFrames(database: SqliteDatabase): number | undefined {
  try {
    const found = database.prepare<{ busy: number; log: number }>('PRAGMA wal_checkpoint(PASSIVE)').get()
    return found === undefined || found.busy !== 0 ? undefined : Math.max(found.log, 0)
  } catch (error) {
    return isShortRead(error) ? Number.MAX_SAFE_INTEGER : undefined
  }
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`
}

function lookAt(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    throw new Fault('store_unavailable', `${path} cannot be looked at`, { cause: error })
  }
}
