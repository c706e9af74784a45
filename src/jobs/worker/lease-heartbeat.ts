import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import { createOutageReport, type OutageReport } from '../../telemetry/outage-report.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { ExtendOutcome, JobBounds, JobProgress, JobQueue } from '../job-queue.ts'

export interface LeaseHeartbeatOptions {
  readonly store: Pick<JobQueue, 'extend'>
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** How long a lease lasts from each beat on, in milliseconds. */
  readonly leaseMs: number
  readonly bounds: JobBounds
  /** The current leases, and what their jobs have come to. */
  readonly leases: () => readonly JobProgress[]
  readonly onExtended: (leases: readonly JobProgress[], outcome: ExtendOutcome) => void
  readonly telemetry: Telemetry
}

/**
 * How soon another process's cancellation is noticed, such as the command line's, and how often
 * leases are made longer: two dozen beats may fail before a lease of 30 s ends, and a commit a
 * second is nothing.
 */
const beatMs = 1_000

/**
 * Progress is written at most four times a second, for all jobs at once: no reader is faster.
 */
const progressMs = 250

/** Keeps the leases of running jobs, and has their answers stored. */
export class LeaseHeartbeat {
  readonly #options: LeaseHeartbeatOptions
  #cancel: (() => void) | undefined
  #beatAt = Number.NEGATIVE_INFINITY
  #isBeating = false
  #hasProgress = false
  #isStopped = false
  readonly #outage: OutageReport

  constructor(options: LeaseHeartbeatOptions) {
    this.#options = options
    this.#outage = createOutageReport('jobs.leases_not_renewed', options.telemetry, options)
  }

  /** Beats from now on, for as long as there are leases. */
  start(): void {
    if (this.#cancel === undefined && !this.#isBeating) this.#plan(beatMs)
  }

  /** There is progress to write. */
  noteProgress(): void {
    if (this.#hasProgress) return
    this.#hasProgress = true
    if (!this.#isBeating) this.#plan(Math.max(0, this.#beatAt + progressMs - this.#options.clock()))
  }

  stop(): void {
    this.#isStopped = true
    this.#outage.stop()
    this.#cancel?.()
    this.#cancel = undefined
  }

  #plan(ms: number): void {
    this.#cancel?.()
    this.#cancel = this.#isStopped
      ? undefined
      : this.#options.scheduler.after(Math.min(ms, progressBound(this.#hasProgress)), () => void this.#beat())
  }

  async #beat(): Promise<void> {
    const { store, clock, leaseMs, bounds, onExtended } = this.#options
    this.#cancel = undefined
    const leases = this.#options.leases()
    if (leases.length === 0) return
    this.#isBeating = true
    this.#hasProgress = false
    this.#beatAt = clock()
    try {
      const outcome = await store.extend(leases, this.#beatAt + leaseMs, bounds)
      this.#outage.passed()
      onExtended(leases, outcome)
    } catch (fault) {
      // The lease runs on; where it ends, another worker takes the job, and what this one comes to
      // is refused.
      this.#outage.failed(fault)
    } finally {
      this.#isBeating = false
      this.#plan(this.#hasProgress ? progressMs : beatMs)
    }
  }
}

/** A clock that was set back must not put progress off. */
function progressBound(hasProgress: boolean): number {
  return hasProgress ? progressMs : beatMs
}
