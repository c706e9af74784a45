import type { Clock } from '../core/clock.ts'
import type { JobRecord } from '../core/job.ts'
import type { ClaimedJob, JobQueue } from '../core/job-queue.ts'
import { Attempt, type AttemptParts } from './attempt.ts'
import type { JobRecords } from './job-records.ts'
import { LeaseBeat } from './lease-beat.ts'
import type { Scheduler } from './scheduler.ts'

export interface JobWorkerOptions extends AttemptParts {
  readonly store: JobQueue
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly records: JobRecords
  /** Jobs that are worked on at once. */
  readonly concurrency: number
  /** In milliseconds. After `kill -9`, a job waits as long as its lease has left. */
  readonly leaseMs: number
}

interface Running {
  readonly job: ClaimedJob
  readonly attempt: Attempt
  readonly done: Promise<void>
}

/** Jobs by other processes, and those whose worker died, are found by looking: so often. */
const lookMs = 1_000

/** Takes up jobs that are due, so many at once, and works on them until it is closed. */
export class JobWorker {
  readonly #options: JobWorkerOptions
  readonly #running = new Set<Running>()
  readonly #beat: LeaseBeat
  #isClosing = false
  #isLooking = false
  #lookAgain = false
  #looking: Promise<void> = Promise.resolve()
  #callOff: (() => void) | undefined
  #pausedUntil = Number.NEGATIVE_INFINITY
  #isDeaf = false
  readonly #stopRetries = new Set<() => void>()

  constructor(options: JobWorkerOptions) {
    this.#options = options
    const { store, clock, scheduler, leaseMs, onFault } = options
    this.#beat = new LeaseBeat({
      store,
      clock,
      scheduler,
      leaseMs,
      onFault,
      held: () => [...this.#running].flatMap(({ attempt }) => attempt.progress()),
      onLost: (ids) => {
        for (const id of ids) this.#stop(id)
      },
    })
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#isClosing) return
    this.#lookAgain = true
    if (this.#isLooking) return
    this.#isLooking = true
    this.#looking = this.#look().finally(() => {
      this.#isLooking = false
      // Woken after the last look, before this one was over: otherwise a job that came then would wait for the next second.
      if (this.#lookAgain && !this.#isClosing) this.wake()
      else this.#plan()
    })
  }

  /** A job was changed by somebody: where it was cancelled, its work ends at once. */
  hear(job: JobRecord): void {
    if (job.status === 'cancelled') this.#stop(job.id)
  }

  /** Waits `graceMs` for what runs, then hands the rest back. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true
    this.#callOff?.()
    for (const stop of this.#stopRetries) stop()
    await this.#looking
    const grace = Promise.withResolvers<void>()
    const callOff = this.#options.scheduler.after(graceMs, grace.resolve, true)
    const all = Promise.all([...this.#running].map(({ done }) => done))
    await Promise.race([all, grace.promise])
    callOff()
    for (const { attempt } of this.#running) attempt.stop('closing')
    await all
    this.#beat.stop()
  }

  async #look(): Promise<void> {
    while (this.#lookAgain && !this.#isClosing) {
      this.#lookAgain = false
      try {
        await this.#claim()
        this.#isDeaf = false
      } catch (fault) {
        if (!this.#isDeaf) this.#options.onFault('no jobs can be taken up', fault)
        this.#isDeaf = true
        return
      }
    }
  }

  async #claim(): Promise<void> {
    const { store, clock, monotonic, records, models, concurrency, leaseMs, keepMs } = this.#options
    const max = concurrency - this.#running.size
    if (max <= 0 || monotonic() < this.#pausedUntil) return
    // What could not be recorded must not begin.
    await records.ensureWritable()
    const now = clock()
    const ask = { max, now, until: now + leaseMs, models: [...models.keys()], keepMs }
    const { claimed, parked } = await store.claim(ask)
    for (const job of claimed) this.#start(job)
    for (const job of parked) await this.#recordParked(job)
  }

  /** The last of its workers died, so nobody else can. */
  async #recordParked(job: JobRecord): Promise<void> {
    try {
      await this.#options.records.ended(job, { latencyUs: null, measures: {} })
    } catch (fault) {
      this.#options.onFault(`job ${job.id} was parked, and that could not be recorded`, fault)
    }
  }

  #stop(id: string): void {
    for (const { job, attempt } of this.#running) if (job.id === id) attempt.stop('lost')
  }

  #start(job: ClaimedJob): void {
    // This worker's own lease may have run out, as when the process was stopped for a while: the attempt before is lost.
    this.#stop(job.id)
    const attempt = new Attempt(job, this.#options, {
      onProgress: () => this.#beat.note(),
      onRetry: (atMs) => this.#wakeAt(atMs),
      // A ledger that answers and yet writes nothing would have it claimed and handed back without end.
      onNotStarted: () => {
        this.#pausedUntil = this.#options.monotonic() + lookMs
      },
    })
    if (this.#isClosing) attempt.stop('closing')
    const done = attempt.run().finally(() => {
      this.#running.delete(running)
      this.wake()
    })
    const running = { job, attempt, done }
    this.#running.add(running)
    this.#beat.start()
  }

  #wakeAt(atMs: number): void {
    if (this.#isClosing) return
    const stop = this.#options.scheduler.after(Math.max(0, atMs - this.#options.clock()), () => {
      this.#stopRetries.delete(stop)
      this.wake()
    })
    this.#stopRetries.add(stop)
  }

  #plan(): void {
    this.#callOff?.()
    this.#callOff = this.#isClosing ? undefined : this.#options.scheduler.after(lookMs, () => this.wake())
  }
}
