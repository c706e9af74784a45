import { Fault } from '../../../core/fault.ts'
import type { Scheduler } from '../../../core/scheduler.ts'
import type { Clock } from '../../../core/time.ts'
import { createOutageReport } from '../../../telemetry/outage-report.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import type { Committed } from './stream-writer.ts'

export interface OutageOptions {
  /** Whether an outage is watched until it ends; otherwise the next entry tries. */
  readonly heals: boolean
  /** Commits something, in its turn. */
  readonly tryCommit: () => Promise<Committed>
  readonly scheduler: Scheduler
  /** @default Date.now */
  readonly clock?: Clock | undefined
  /** Called with every commit. */
  readonly report: (committed: Committed) => void
  readonly telemetry: Telemetry | undefined
}

/** Whether commits fail, told when that begins, each minute, and when it is over. */
export interface Outage {
  readonly isOut: () => boolean
  readonly noteCommit: (committed: Committed) => void
  readonly noteFault: (fault: unknown) => void
  /** The first attempt to end an outage, while it lasts: a cut connection lasts no longer. */
  readonly firstAttempt: () => Promise<void> | undefined
  /** Ends the attempts. */
  readonly stop: () => void
}

/** Between two attempts to end an outage. */
const retryMsLeast = 50
const retryMsMost = 500

/** Ends an outage by itself, at most half a second after the database is back. */
export function createOutage(options: OutageOptions): Outage {
  const { heals, tryCommit, scheduler, clock, report, telemetry } = options
  const outage = createOutageReport('ledger.unreachable', telemetry, { clock, scheduler })
  const { isOut, failed, passed } = outage
  let isOpen = true
  let firstAttempt: Promise<void> | undefined

  function noteCommit(committed: Committed): void {
    passed()
    report(committed)
  }

  async function heal(): Promise<void> {
    firstAttempt = tryCommit().then(noteCommit)
    await firstAttempt.catch(() => undefined)
    firstAttempt = undefined
    for (let wait = retryMsLeast; isOut() && isOpen; wait = Math.min(2 * wait, retryMsMost)) {
      // Not all nodes at once.
      await new Promise<void>((resolve) => void scheduler.after(wait * (0.5 + Math.random() / 2), resolve))
      if (isOut() && isOpen) await tryCommit().then(noteCommit, failed)
    }
  }

  return {
    isOut,
    noteCommit,
    noteFault(fault) {
      const isHealing = isOut()
      failed(fault)
      if (heals && isOpen && !isHealing) void heal()
    },
    firstAttempt: () => firstAttempt,
    stop() {
      isOpen = false
      outage.stop()
    },
  }
}

/** What is refused during an outage. */
export function outFault(cause?: unknown): Fault {
  return new Fault('ledger_unavailable', 'ledger: PostgreSQL does not record just now', { cause })
}
