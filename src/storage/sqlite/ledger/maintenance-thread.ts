import type { Clock } from '../../../core/time.ts'
import { ledgerEntry } from '../../../ledger/format/record.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import { createRetentionClock } from './retention-clock.ts'
import type { LedgerWorker } from './worker.ts'

export interface KeepingThreadOptions {
  /** Starts a thread with the role `keeper`. */
  readonly start: () => LedgerWorker
  /** Milliseconds since the epoch, whole. */
  readonly now: Clock
  /** Milliseconds; never jumps. */
  readonly monotonic: Clock
  /** What it dropped is recorded. */
  readonly append: Ledger['append']
  readonly onFault?: ((message: string, fault: unknown) => void) | undefined
}

const tendMs = 1_000

/** Has the keeper's thread take its turn every second, unless the last one still goes on. */
export function createKeepingThread({ start, now, monotonic, append, onFault }: KeepingThreadOptions): {
  readonly close: () => Promise<void>
} {
  // Nothing is to be done at first, and whoever opens a ledger is in a hurry.
  let worker: LedgerWorker | undefined
  let turn: Promise<void> | undefined
  /** What stands in the way is told once, not every second. */
  let told: string | undefined
  /** Dropped, and not recorded yet: what could not be written is written with the next turn. */
  let unrecorded: { readonly records: number; readonly until: number } | undefined
  const retentionTime = createRetentionClock({
    now,
    monotonic,
    onJump: (distanceMs) =>
      onFault?.(
        `ledger: the clock jumped ahead by ${Math.round(distanceMs / 1_000)} s; no record is dropped for that unless it stays there for a day`,
        undefined,
      ),
  })

  async function tend(): Promise<void> {
    try {
      if (worker === undefined || worker.isGone()) worker = start()
      const { dropped } = await worker.ask('tend', { now: retentionTime() })
      if (dropped !== undefined)
        unrecorded = { records: (unrecorded?.records ?? 0) + dropped.records, until: dropped.until }
      await recordDropped()
      told = undefined
    } catch (fault) {
      const message = fault instanceof Error ? fault.message : String(fault)
      if (message !== told) onFault?.('ledger: its file could not be tended', fault)
      told = message
    }
  }

  async function recordDropped(): Promise<void> {
    if (unrecorded === undefined) return
    await append(ledgerEntry({ at: now(), event: 'ledger.dropped', detail: unrecorded }))
    unrecorded = undefined
  }

  const timer = setInterval(() => {
    turn ??= tend().finally(() => {
      turn = undefined
    })
  }, tendMs).unref()
  return {
    async close() {
      clearInterval(timer)
      await turn
      if (worker === undefined || worker.isGone()) return
      await worker.ask('close', { now: now() }).catch(() => undefined)
      await worker.end()
    },
  }
}
