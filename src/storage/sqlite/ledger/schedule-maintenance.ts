import type { Clock } from '../../../core/time.ts'
import { ledgerEntry } from '../../../ledger/format/record.ts'
import type { Ledger, UsageQuery } from '../../../ledger/ledger.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { createDroppedReport } from '../../ledger/dropped-report.ts'
import { createRetentionClock } from '../../ledger/retention-clock.ts'
import type { LedgerThread, Maintained } from './threads.ts'
import type { HeldRows } from './usage/held-usage.ts'

export interface MaintenanceScheduleOptions {
  /** With the role `maintenance`. */
  readonly thread: Pick<LedgerThread, 'ask' | 'close'>
  /** Milliseconds since the epoch, whole. */
  readonly now: Clock
  /** Milliseconds; never jumps. */
  readonly monotonic: Clock
  /** For records of what was dropped. */
  readonly append: Ledger['append']
  readonly telemetry?: Telemetry | undefined
}

const intervalMs = 1_000

export interface ScheduledMaintenance {
  /**
   * What the thread has summed up for a query and not written yet; undefined if that is not known,
   * as before its first turn: a reader reads the records then.
   */
  readonly heldUsage: (query: UsageQuery) => Promise<HeldRows | undefined>
  readonly close: () => Promise<void>
}

/**
 * Has a thread maintain the ledger's file every second, unless the last turn still runs. The thread
 * starts with the first turn: an opening ledger is in a hurry, and nothing is to be done yet.
 */
export function scheduleMaintenance(options: MaintenanceScheduleOptions): ScheduledMaintenance {
  const { thread, now, monotonic, append, telemetry } = options
  let turn: Promise<void> | undefined
  let hasBegun = false
  /** An obstacle is reported once, not every second. */
  let reported: string | undefined
  let isLogHeld = false
  /** Dropped, but not recorded yet: what cannot be written is written in the next turn. */
  let unrecorded: Maintained['dropped']
  const tellDropped = createDroppedReport(telemetry, monotonic)
  const retentionTime = createRetentionClock({
    now,
    monotonic,
    onJump: (distanceMs) =>
      telemetry?.event('ledger.clock_jumped', { seconds: Math.round(distanceMs / 1_000) }),
  })

  async function maintain(): Promise<void> {
    try {
      const { dropped, heldLogBytes } = await thread.ask('maintain', { now: retentionTime() })
      if (heldLogBytes !== undefined && !isLogHeld)
        telemetry?.event('ledger.log_held', { bytes: heldLogBytes })
      isLogHeld = heldLogBytes !== undefined
      if (dropped !== undefined)
        unrecorded = { records: (unrecorded?.records ?? 0) + dropped.records, until: dropped.until }
      await recordDropped()
      reported = undefined
    } catch (fault) {
      const message = fault instanceof Error ? fault.message : String(fault)
      if (message !== reported) telemetry?.event('ledger.maintenance_failed', {}, fault)
      reported = message
    }
  }

  async function recordDropped(): Promise<void> {
    if (unrecorded === undefined) return tellDropped()
    await append(ledgerEntry({ at: now(), event: 'ledger.dropped', detail: unrecorded }))
    tellDropped(unrecorded.records)
    unrecorded = undefined
  }

  const timer = setInterval(() => {
    hasBegun = true
    turn ??= maintain().finally(() => {
      turn = undefined
    })
  }, intervalMs).unref()
  return {
    async heldUsage(query) {
      return hasBegun ? thread.ask('heldUsage', query).catch(() => undefined) : undefined
    },
    async close() {
      clearInterval(timer)
      // Behind the turn that runs; where the disk does not answer, neither is waited for.
      try {
        await thread.close({ now: now() })
        await turn
      } catch {}
    },
  }
}
