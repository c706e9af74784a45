import { readValue, type SqliteDatabase } from '../../database.ts'
import { type WatchedFiles, watchFiles } from '../../watched-files.ts'
import { fillUsage, isOf } from './fill-usage.ts'
import { makeDurable, openUsageDatabase, readFilled, usageFileOf } from './usage-database.ts'
import { dropOldUsage } from './usage-table.ts'

/** Keeps the roll-up beside a ledger's file up to date, for its maintenance. */
export interface UsageKeeper {
  /**
   * Sums up what is new, if that is much or the last time is long ago.
   *
   * @param deadline when to leave the rest for the next time, by `performance.now()`
   */
  readonly fill: (ledger: SqliteDatabase, deadline: number) => void
  /** Sums up what is new; gives the last block that is summed up, durably. */
  readonly counted: (ledger: SqliteDatabase, deadline: number) => number
  /** @param now milliseconds since the epoch */
  readonly dropOld: (ledger: SqliteDatabase, now: number) => void
  readonly close: () => void
}

const busyTimeoutMs = 100
/**
 * Records from which on usage is summed up, and milliseconds after which it is in any case. Writing
 * rows costs most: the fewer records at once, the more often the same are written. But all that is
 * not summed up is read by each query of usage.
 */
const recordsWaiting = 32_768
const waitingMs = 30_000
/** @param keepMs milliseconds that rows are kept beyond the oldest record; undefined: for ever */
export function createUsageKeeper(ledgerFile: string, keepMs?: number): UsageKeeper {
  let filledAt = Number.NEGATIVE_INFINITY
  let open: { readonly usage: SqliteDatabase; readonly files: WatchedFiles } | undefined

  function close(): void {
    open?.usage.close()
    open = undefined
    filledAt = Number.NEGATIVE_INFINITY
  }

  function use(): SqliteDatabase {
    try {
      open?.files.check()
    } catch {
      // Deleted, it is made anew: what is written to the open file would be lost.
      close()
    }
    if (open === undefined) {
      const usage = openUsageDatabase(ledgerFile, busyTimeoutMs)
      open = { usage, files: watchFiles(usageFileOf(ledgerFile)) }
    }
    return open.usage
  }

  function fill(ledger: SqliteDatabase, deadline: number): SqliteDatabase {
    const usage = use()
    while (fillUsage(usage, ledger) && performance.now() < deadline);
    filledAt = performance.now()
    return usage
  }

  return {
    fill(ledger, deadline) {
      const { block } = readFilled(use())
      const isDue = performance.now() - filledAt >= waitingMs
      if (isDue || recordsBehind(ledger, block) >= recordsWaiting) fill(ledger, deadline)
    },
    counted(ledger, deadline) {
      const usage = fill(ledger, deadline)
      makeDurable(usage)
      const filled = readFilled(usage)
      return isOf(ledger, filled) ? filled.block : 0
    },
    dropOld(ledger, now) {
      if (keepMs === undefined) return
      const oldest = readValue(ledger, 'SELECT min_at FROM block ORDER BY id LIMIT 1')
      // A clock that had leapt ahead may have written the oldest record.
      dropOldUsage(use(), Math.min(Number(oldest ?? now), now) - keepMs)
    },
    close,
  }
}

function recordsBehind(ledger: SqliteDatabase, block: number): number {
  const count = ledger.prepareCells<readonly [number | null]>('SELECT sum(count) FROM block WHERE id > ?')
  return count.get(block)?.[0] ?? 0
}
