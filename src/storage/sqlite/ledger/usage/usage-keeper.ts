import type { UsageQuery } from '../../../../ledger/ledger.ts'
import { readValue, type SqliteDatabase } from '../../database.ts'
import { type WatchedFiles, watchFiles } from '../../watched-files.ts'
import { addBlocks, beginUsage, type HeldUsage, isFull, isOf, oldestBlock, writeUsage } from './fill-usage.ts'
import { type HeldRows, heldRowsOf } from './held-usage.ts'
import { makeDurable, openUsageDatabase, readFilled, usageFileOf } from './usage-database.ts'
import { dropOldUsage } from './usage-table.ts'

/** Keeps the roll-up beside a ledger's file up to date, for its maintenance. */
export interface UsageKeeper {
  /**
   * Sums up what is new, and writes it if it is much or the last time is long ago.
   *
   * @param deadline when to leave the rest for the next time, by `performance.now()`
   */
  readonly fill: (ledger: SqliteDatabase, deadline: number) => void
  /** Sums up what is new; gives the last block that is summed up, durably. */
  readonly counted: (ledger: SqliteDatabase, deadline: number) => number
  /** @param now milliseconds since the epoch */
  readonly dropOld: (ledger: SqliteDatabase, now: number) => void
  /** What a query asks of that which is summed up and not written. */
  readonly held: (query: UsageQuery) => HeldRows | undefined
  /** Writes what is held. */
  readonly close: () => void
}

const busyTimeoutMs = 100
/** Milliseconds after which what is held is written, however little it is. */
const waitingMs = 300_000

/** @param keepMs milliseconds that rows are kept beyond the oldest record; undefined: for ever */
export function createUsageKeeper(ledgerFile: string, keepMs?: number): UsageKeeper {
  /** Of the first turn all is written: nothing is known of what an earlier process has left. */
  let writtenAt = Number.NEGATIVE_INFINITY
  let open: { readonly usage: SqliteDatabase; readonly files: WatchedFiles } | undefined
  let held: HeldUsage | undefined

  function forget(): void {
    open?.usage.close()
    open = undefined
    held = undefined
    writtenAt = Number.NEGATIVE_INFINITY
  }

  function use(): SqliteDatabase {
    try {
      open?.files.check()
    } catch {
      // Deleted, it is made anew: what is written to the open file would be lost.
      forget()
    }
    if (open === undefined) {
      const usage = openUsageDatabase(ledgerFile, busyTimeoutMs)
      open = { usage, files: watchFiles(usageFileOf(ledgerFile)) }
    }
    return open.usage
  }

  function write(usage: SqliteDatabase): void {
    if (held !== undefined && held.records > 0) writeUsage(usage, held)
    held = undefined
    writtenAt = performance.now()
  }

  /** Sums up what is new, and gives the roll-up. */
  function hold(ledger: SqliteDatabase, deadline: number): SqliteDatabase {
    const usage = use()
    if (held !== undefined && !isCurrent(held, usage, ledger)) held = undefined
    do {
      held ??= beginUsage(usage, ledger)
      // Full already, it could not be written the last time.
      if (!isFull(held) && !addBlocks(held, ledger)) break
      if (isFull(held)) write(usage)
    } while (performance.now() < deadline)
    return usage
  }

  return {
    fill(ledger, deadline) {
      const usage = hold(ledger, deadline)
      if (performance.now() - writtenAt >= waitingMs) write(usage)
    },
    counted(ledger, deadline) {
      const usage = hold(ledger, deadline)
      write(usage)
      makeDurable(usage)
      const filled = readFilled(usage)
      return isOf(ledger, filled) ? filled.block : 0
    },
    dropOld(ledger, now) {
      if (keepMs === undefined) return
      const begin = readValue(ledger, 'SELECT min_at FROM block ORDER BY id LIMIT 1')
      // A clock that had leapt ahead may have written the oldest record.
      dropOldUsage(use(), Math.min(Number(begin ?? now), now) - keepMs, oldestBlock(ledger))
    },
    held: (query) => (held === undefined ? undefined : heldRowsOf(held, query)),
    close() {
      try {
        open?.files.check()
        if (open !== undefined) write(open.usage)
      } catch {
        // The next process sums it up again.
      } finally {
        forget()
      }
    },
  }
}

/** Whether no other process wrote usage meanwhile, and the ledger is the one that was read. */
function isCurrent({ from, filled }: HeldUsage, usage: SqliteDatabase, ledger: SqliteDatabase): boolean {
  return readFilled(usage).block === from.block && isOf(ledger, filled)
}
