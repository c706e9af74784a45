import type { Clock } from '../../../core/time.ts'
import { ledgerEntry } from '../../../ledger/format/record.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import { createRetentionClock } from './retention-clock.ts'
import type { LedgerThread, Maintained } from './threads.ts'

export interface MaintenanceScheduleOptions {
  /** With the role `maintenance`. */
  readonly thread: Pick<LedgerThread, 'ask' | 'close'>
  /** Milliseconds since the epoch, whole. */
  readonly now: Clock
  /** Milliseconds; never jumps. */
  readonly monotonic: Clock
  /** Records what was dropped. */
  readonly append: Ledger['append']
  readonly onFault?: ((message: string, fault: unknown) => void) | undefined
}

const intervalMs = 1_000

/**
 * Has a thread maintain the ledger's file every second, unless the last turn still runs. The thread
 * starts with the first turn: an opening ledger is in a hurry, and nothing is to be done yet.
 */
export function scheduleMaintenance(options: MaintenanceScheduleOptions): {
  readonly close: () => Promise<void>
} {
  const { thread, now, monotonic, append, onFault } = options
  let turn: Promise<void> | undefined
  /** An obstacle is reported once, not every second. */
  let reported: string | undefined
  /** Dropped, but not recorded yet: what cannot be written is written in the next turn. */
  let unrecorded: Maintained['dropped']
  const retentionTime = createRetentionClock({
    now,
    monotonic,
    onJump: (distanceMs) =>
      onFault?.(
        `ledger: the clock jumped ahead by ${Math.round(distanceMs / 1_000)} s; no record is dropped for that unless it stays there for a day`,
        undefined,
      ),
  })

  async function maintain(): Promise<void> {
    try {
      const { dropped } = await thread.ask('maintain', { now: retentionTime() })
      if (dropped !== undefined)
        unrecorded = { records: (unrecorded?.records ?? 0) + dropped.records, until: dropped.until }
      await recordDropped()
      reported = undefined
    } catch (fault) {
      const message = fault instanceof Error ? fault.message : String(fault)
      if (message !== reported) onFault?.('ledger: its file could not be maintained', fault)
      reported = message
    }
  }

  async function recordDropped(): Promise<void> {
    if (unrecorded === undefined) return
    await append(ledgerEntry({ at: now(), event: 'ledger.dropped', detail: unrecorded }))
    unrecorded = undefined
  }

  const timer = setInterval(() => {
    turn ??= maintain().finally(() => {
      turn = undefined
    })
  }, intervalMs).unref()
  return {
    async close() {
      clearInterval(timer)
      await turn
      await thread.close({ now: now() }).catch(() => undefined)
    },
  }
}
