import { readValue, type SqliteDatabase } from '../../database.ts'
import { type WatchedFiles, watchFiles } from '../../watched-files.ts'
import { fillUsage, isOf } from './fill-usage.ts'
import { makeDurable, openUsageDatabase, readFilled, usageFileOf } from './usage-database.ts'
import { dropOldUsage } from './usage-table.ts'

/** Keeps the roll-up beside a ledger's file up to date, for its maintenance. */
export interface UsageKeeper {
  /** @param deadline when to leave the rest for the next time, by `performance.now()` */
  readonly fill: (ledger: SqliteDatabase, deadline: number) => void
  /** The last block that is summed up, durably. */
  readonly counted: (ledger: SqliteDatabase) => number
  /** @param now milliseconds since the epoch */
  readonly dropOld: (ledger: SqliteDatabase, now: number) => void
  readonly close: () => void
}

const busyTimeoutMs = 100
/** How long rows are kept beyond the oldest record. */
const keptBeyondMs = 400 * 86_400_000

export function createUsageKeeper(ledgerFile: string): UsageKeeper {
  let open: { readonly usage: SqliteDatabase; readonly files: WatchedFiles } | undefined

  function close(): void {
    open?.usage.close()
    open = undefined
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

  return {
    fill(ledger, deadline) {
      const usage = use()
      while (fillUsage(usage, ledger) && performance.now() < deadline);
    },
    counted(ledger) {
      const usage = use()
      makeDurable(usage)
      const filled = readFilled(usage)
      return isOf(ledger, filled) ? filled.block : 0
    },
    dropOld(ledger, now) {
      const oldest = readValue(ledger, 'SELECT min_at FROM block ORDER BY id LIMIT 1')
      // A clock that had leapt ahead may have written the oldest record.
      dropOldUsage(use(), Math.min(Number(oldest ?? now), now) - keptBeyondMs)
    },
    close,
  }
}
