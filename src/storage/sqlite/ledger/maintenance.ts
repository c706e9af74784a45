import { existsSync, statSync } from 'node:fs'
import { Fault } from '../../../core/fault.ts'
import type { SqliteDatabase } from '../database.ts'
import { fillIndex } from './index/postings.ts'
import { openLedgerDatabase } from './ledger-database.ts'
import { dropOldest } from './retention.ts'
import type { LedgerThreadCalls, MaintenanceData } from './threads.ts'
import { createUsageKeeper } from './usage/usage-keeper.ts'

/** From this size on the write-ahead log is copied into the file, while commits go on. */
const logBytes = 4 * 2 ** 20
/** Longest turn of the index and retention, and of usage, before the next call. */
const usualTurnMs = 500
/** Commits come first: what cannot be done now is done next time. */
const busyTimeoutMs = 100

/** Maintains a ledger's file, as a thread: its log, the index, sums of usage, retention. */
export function createMaintenance(
  { file, signingKey, retention }: MaintenanceData,
  turnMs: number = usualTurnMs,
): Pick<LedgerThreadCalls, 'maintain' | 'heldUsage' | 'close'> {
  const logBounds = logBoundsOf(retention.bytes)
  const usage = createUsageKeeper(file, retention.usageMs)
  let open: SqliteDatabase | undefined

  function use(): SqliteDatabase {
    if (open === undefined) {
      // Opening would create it anew: only the writer may do that, which reports it.
      if (!existsSync(file)) throw new Fault('store_unavailable', `${file} was deleted while in use`)
      open = openLedgerDatabase({ file, busyTimeoutMs })
      // A power cut loses nothing that cannot be done again.
      open.exec('PRAGMA synchronous = NORMAL')
    }
    return open
  }

  return {
    maintain({ now }) {
      const database = use()
      const heldLogBytes = shortenLog(database, file, logBounds)
      // First: retention drops only what it counts. No commit of the ledger waits for it.
      usage.fill(database, performance.now() + turnMs)
      const deadline = performance.now() + turnMs
      while (fillIndex(database) && performance.now() < deadline);
      usage.dropOld(database, now)
      const counted = (): number => usage.counted(database, deadline)
      const dropped = dropOldest({ database, now, retention, signingKey, counted, deadline })
      return { dropped, heldLogBytes }
    },
    heldUsage: (query) => usage.held(query),
    close() {
      usage.close()
      open?.close()
      open = undefined
      return undefined
    },
  }
}

/** @returns the log's bytes where it is beyond twice its bound all the same */
export function shortenLog(
  database: SqliteDatabase,
  file: string,
  { framesMax, bytesMax }: LogBounds,
): number | undefined {
  const sizeNow = (): number => statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const size = sizeNow()
  if (size < logBytes) return undefined
  const checkpoint = database.prepare<{ log: number }>('PRAGMA wal_checkpoint(PASSIVE)')
  const frames = checkpoint.get()?.log ?? 0
  // These hold up commits, but little is left to do by now.
  if (size >= bytesMax) database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  else if (frames >= framesMax) database.exec('PRAGMA wal_checkpoint(RESTART)')
  const left = sizeNow()
  return left > 2 * bytesMax ? left : undefined
}

/** How large the write-ahead log of a ledger may become. */
export interface LogBounds {
  /**
   * Frames (pages of 4 KiB) from which on commits wait until the log begins anew: under an unbroken
   * load it never would by itself.
   */
  readonly framesMax: number
  /** Bytes from which on its file is cut. Not below: commits that need not grow it are faster. */
  readonly bytesMax: number
}

const frameBytes = 4_096
const MiB = 2 ** 20

/**
 * 32 MiB, and 256 MiB of a file; less beside a ledger with a maximum, so that a small one does not
 * have a log of several times its size: a quarter of the maximum, and half of it as a file. The
 * commits of a second come on top, the interval of maintenance.
 *
 * @param ledgerMax the most bytes of the ledger
 */
export function logBoundsOf(ledgerMax: number = Number.POSITIVE_INFINITY): LogBounds {
  const frames = Math.min(Math.max(ledgerMax / 4, 4 * MiB), 32 * MiB) / frameBytes
  const bytes = Math.min(Math.max(ledgerMax / 2, 16 * MiB), 256 * MiB)
  return { framesMax: Math.floor(frames), bytesMax: Math.floor(bytes) }
}
