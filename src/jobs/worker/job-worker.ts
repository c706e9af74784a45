import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import { createOutageReport, type OutageReport } from '../../telemetry/outage-report.ts'
import type { JobRecord } from '../job.ts'
import { chargeOf } from '../job-charges.ts'
import { readOrigin } from '../job-origin.ts'
import type { ClaimedJob, ClaimOutcome, ExtendOutcome, GiveWay, JobProgress, JobQueue } from '../job-queue.ts'
import type { JobRecords } from '../job-records.ts'
import { Attempt, type AttemptDeps, type AttemptStop } from './attempt.ts'
import { LeaseHeartbeat } from './lease-heartbeat.ts'
import { ModelSlots, type SlotAsk } from './model-slots.ts'
import { reportDead } from './report-dead.ts'
import { TurnBudget } from './turn-budget.ts'

export interface JobWorkerOptions extends Omit<AttemptDeps, 'semaphoreOf' | 'turnBudget'> {
  readonly store: JobQueue
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly records: JobRecords
  /** Jobs of one model that are worked on at once. @default as many as fit the model */
  readonly concurrency?: number | undefined
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

/** Characters of answers in one commit, with which it takes no more jobs': others wait for it. */
const answerCharactersMax = 4 * 1_048_576

/**
 * Takes up jobs that are due, so many of each model at once, and works on them until it is closed.
 */
export class JobWorker {
  readonly #options: JobWorkerOptions
  readonly #deps: AttemptDeps
  readonly #slots: ModelSlots
  /** Those whose answers were sent latest come last. */
  readonly #running = new Set<Running>()
  readonly #heartbeat: LeaseHeartbeat
  #isClosing = false
  #isLooking = false
  /** Whether to look for owners that wait for a slot, too. */
  #isLookDue = false
  #looking: Promise<void> = Promise.resolve()
  #cancel: (() => void) | undefined
  #pausedUntil = Number.NEGATIVE_INFINITY
  readonly #outage: OutageReport
  readonly #stopRetries = new Set<() => void>()

  constructor(options: JobWorkerOptions) {
    this.#options = options
    this.#outage = createOutageReport('jobs.unclaimable', options.telemetry, options)
    this.#slots = new ModelSlots(options.models, options.concurrency)
    this.#deps = {
      ...options,
      semaphoreOf: (name, model) => this.#slots.semaphoreOf(name, model),
      turnBudget: new TurnBudget(options.scheduler),
    }
    this.#heartbeat = new LeaseHeartbeat({
      ...options,
      leases: () => this.#leases(),
      onExtended: (leases, outcome) => this.#onExtended(leases, outcome),
    })
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#isClosing) return
    this.#slots.wake()
    this.#planLook()
    this.#take()
  }

  /** A job has changed; if it was cancelled, stops its attempt at once. */
  onChange(job: JobRecord): void {
    if (job.status === 'cancelled') this.#stop(job.id, 'cancelled')
  }

  /** Waits `graceMs` for what runs, then hands the rest back. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true
    this.#cancel?.()
    for (const stop of this.#stopRetries) stop()
    const grace = Promise.withResolvers<void>()
    const cancel = this.#options.scheduler.after(graceMs, grace.resolve)
    // A claim that is under way may bring more, and where the store is out, it takes its time.
    await this.#looking
    const all = Promise.all([...this.#running].map(({ done }) => done))
    await Promise.race([all, grace.promise])
    cancel()
    for (const { attempt } of this.#running) attempt.stop('closing')
    await all
    this.#heartbeat.stop()
    this.#outage.stop()
  }

  /** All leases; answers of as many jobs as one commit takes, those that waited longest first. */
  #leases(): readonly JobProgress[] {
    let characters = 0
    return [...this.#running].flatMap((running) => {
      const progress = running.attempt.progress(characters < answerCharactersMax)
      if (progress?.answers !== undefined && progress.answers.length > 0) {
        for (const { text } of progress.answers) characters += text.length
        this.#running.delete(running)
        this.#running.add(running)
      }
      return progress ?? []
    })
  }

  /** Speaks of the leases that were sent: a job may have been taken up anew since. */
  #onExtended(leases: readonly JobProgress[], { lost, unstored }: ExtendOutcome): void {
    const areLost = new Set(lost)
    const full = new Map(unstored.map((job) => [job.id, job.full]))
    const byLease = new Map(leases.map((progress) => [progress.lease, progress]))
    for (const { job, attempt } of this.#running) {
      const progress = byLease.get(job.lease)
      if (progress === undefined) continue
      const isFull = full.get(job.id)
      if (areLost.has(job.id)) attempt.stop('lost')
      else if (isFull !== undefined) attempt.unstored(isFull)
      else attempt.stored(progress)
    }
  }

  /** Fills free slots, one claim after the other: what ends meanwhile shares the next. */
  #take(): void {
    if (this.#isLooking || this.#isClosing) return
    this.#isLooking = true
    this.#looking = this.#look()
  }

  async #look(): Promise<void> {
    try {
      for (let act = this.#nextAct(); act !== undefined; act = this.#nextAct()) await act()
    } catch (fault) {
      this.#outage.failed(fault)
    } finally {
      // In the same turn as the last look for something to ask: a wake in between would go unheard.
      this.#isLooking = false
    }
  }

  /** A claim for slots that are free; else a look for others that wait for those that are not. */
  #nextAct(): (() => Promise<void>) | undefined {
    if (this.#isClosing || this.#options.monotonic() < this.#pausedUntil) return undefined
    const ask = this.#slots.next()
    if (ask !== undefined) return () => this.#claim(ask)
    const models = this.#isLookDue ? this.#slots.full() : []
    this.#isLookDue = false
    return models.length > 0 ? () => this.#makeWay(models) : undefined
  }

  async #claim(ask: SlotAsk): Promise<void> {
    const { store, clock, records, leaseMs, keepMs } = this.#options
    // What could not be recorded must not begin.
    await records.ensureWritable()
    const now = clock()
    const { claimed, ...passed } = await store.claim({ ...ask, now, until: now + leaseMs, keepMs })
    this.#outage.passed()
    for (const job of claimed) this.#start(job)
    this.#slots.claimed(ask, claimed)
    await this.#report(passed)
  }

  /** Of models whose slots are all taken, those that others wait for are left soon. */
  async #makeWay(models: readonly string[]): Promise<void> {
    const { store, clock, records, leaseMs, keepMs } = this.#options
    await records.ensureWritable()
    const now = clock()
    const { giveWay, ...passed } = await store.claim({ models, max: 0, now, until: now + leaseMs, keepMs })
    for (const each of giveWay) this.#giveWay(each)
    await this.#report(passed)
  }

  /** Those first that wait for room in the model, for they leave at once; then the oldest. */
  #giveWay({ owner, model, jobs }: GiveWay): void {
    const turns = [...this.#running]
      .filter(({ job }) => job.owner === owner && job.model === model)
      .map(({ attempt }) => attempt.turn)
    const asked = turns.filter(({ isAsked }) => isAsked).length
    const others = turns
      .filter(({ isAsked }) => !isAsked)
      .toSorted(
        (one, other) => Number(other.isWaiting) - Number(one.isWaiting) || one.begunAt - other.begunAt,
      )
    // The only one goes on for a slice at least, or owners with one place each would get nowhere.
    for (const turn of others.slice(0, Math.max(0, jobs - asked))) turn.giveWay(turns.length > 1)
  }

  /** What a claim ended is recorded here, because the worker that should have is dead. */
  async #report({ ended, damaged }: Pick<ClaimOutcome, 'ended' | 'damaged'>): Promise<void> {
    for (const job of damaged) this.#options.telemetry.event('job.damaged', { job })
    for (const job of ended) await this.#recordEnd(job)
  }

  async #recordEnd(job: JobRecord): Promise<void> {
    reportDead(job, this.#options.telemetry)
    const origin = readOrigin(job.requestId)
    try {
      const charge = chargeOf(job, undefined)
      await this.#options.records.ended(job, { latencyUs: null, measures: {}, charge })
      await this.#options.charges.settle(charge, origin)
    } catch (fault) {
      this.#options.telemetry.event('job.not_recorded', { job: job.id }, fault, origin)
    }
  }

  #stop(id: string, why: AttemptStop): void {
    for (const { job, attempt } of this.#running) if (job.id === id) attempt.stop(why)
  }

  #start(job: ClaimedJob): void {
    // This worker's own lease may have run out, as when the process was stopped for a while: the
    // attempt before is lost.
    this.#stop(job.id, 'lost')
    this.#slots.take(job)
    const attempt = new Attempt(job, this.#deps, {
      onProgress: () => this.#heartbeat.noteProgress(),
      onRetry: (atMs) => this.#wakeAt(atMs),
      // A ledger that answers and yet writes nothing would have it claimed and handed back without
      // end.
      onNotStarted: () => {
        this.#pausedUntil = this.#options.monotonic() + lookMs
      },
    })
    if (this.#isClosing) attempt.stop('closing')
    const done = attempt.run().finally(() => {
      this.#running.delete(running)
      this.#slots.free(job)
      this.#take()
    })
    const running = { job, attempt, done }
    this.#running.add(running)
    this.#heartbeat.start()
  }

  #wakeAt(atMs: number): void {
    if (this.#isClosing) return
    const stop = this.#options.scheduler.after(Math.max(0, atMs - this.#options.clock()), () => {
      this.#stopRetries.delete(stop)
      this.wake()
    })
    this.#stopRetries.add(stop)
  }

  /** Looks again by and by, for as long as it works. */
  #planLook(): void {
    this.#cancel ??= this.#options.scheduler.after(lookMs, () => {
      this.#cancel = undefined
      this.#isLookDue = true
      this.wake()
    })
  }
}
