import { type RetryDelay, retryDelayMs } from '../../core/retry-delay.ts'
import { pause } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { StoredBytesFull } from '../../idempotency/stored-bytes.ts'
import type { EventOrigin, Telemetry } from '../../telemetry/telemetry.ts'
import type { SpanEnd } from '../../telemetry/tracing.ts'
import { answersMiscounted, hasEnded, type JobErrorCode, type JobRecord } from '../job.ts'
import { chargeOf, type JobCharges, type JobUse } from '../job-charges.ts'
import { modelOf, readOrigin } from '../job-origin.ts'
import type { AttemptEnd, ClaimedJob, JobBounds, JobProgress, JobQueue } from '../job-queue.ts'
import type { EndedAttempt, JobRecords } from '../job-records.ts'
import type { JobModels } from './ask-model.ts'
import { type AttemptOutcome, leastWaitMs, outcomeOf } from './attempt-outcome.ts'
import { HeldAnswers } from './held-answers.ts'
import { reportDead } from './report-dead.ts'
import { type AttemptOptions, runAttempt } from './run-attempt.ts'
import { RunTurn } from './run-turn.ts'
import { type AttemptTrace, traceAttempt } from './trace-attempt.ts'

export interface AttemptDeps extends AttemptOptions {
  readonly store: Pick<JobQueue, 'settle' | 'findJob'>
  readonly clock: Clock
  /** Never jumps, in milliseconds. */
  readonly monotonic: Clock
  readonly records: JobRecords
  readonly models: JobModels
  readonly retryDelay: RetryDelay
  /** How long after its end a job expires, in milliseconds. */
  readonly keepMs: number
  readonly bounds: JobBounds
  /** Resolves once the job's acceptance has been recorded, or to false where it could not be. */
  readonly isAccepted: (id: string) => Promise<boolean>
  readonly charges: JobCharges
  /** What a job has used of its limits. */
  readonly usedBy: (id: string) => Readonly<Record<string, number>>
  readonly telemetry: Telemetry
}

export interface AttemptListeners {
  readonly onProgress: () => void
  /** The job is tried again, at this moment. */
  readonly onRetry: (atMs: number) => void
  /** The attempt was handed back because its beginning could not be recorded. */
  readonly onNotStarted: () => void
}

/** `lost`: another worker has the job, or it was cancelled. `closing`: this process ends. */
export type AttemptStop = 'lost' | 'cancelled' | 'closing'

/** How long to wait before what a store or a ledger refused is tried again. */
const againMs = 1_000

/**
 * One attempt at a job, from its lease to its end.
 *
 * Its beginning is durable in the ledger before the model is asked, so that nothing runs
 * unrecorded. Its end is committed first and recorded then, as every change is: a record of an end
 * that was lost with its lease would be a lie. While the ledger is out it therefore waits with the
 * result in hand, and goes on renewing its lease. What a process that dies between commit and
 * record leaves without one, the next records as it begins (`record-missed-ends.ts`).
 */
export class Attempt {
  readonly #job: ClaimedJob
  readonly #deps: AttemptDeps
  readonly #listeners: AttemptListeners
  readonly #stop = new AbortController()
  readonly #begunAt: number
  /** The request that made the job. */
  readonly #origin: EventOrigin
  readonly #held: HeldAnswers
  /** How long the job has its place in the model. */
  readonly turn: RunTurn
  /** Whether the lease is this attempt's to keep. */
  #hasLease = true
  #used: JobUse | undefined
  #trace: AttemptTrace | undefined
  /** How it ended, for its span. */
  #told: SpanEnd = {}

  constructor(job: ClaimedJob, deps: AttemptDeps, listeners: AttemptListeners) {
    this.#job = job
    this.#origin = readOrigin(job.requestId)
    this.#deps = deps
    this.#listeners = listeners
    this.#begunAt = deps.monotonic()
    this.#held = new HeldAnswers(job.done)
    this.turn = new RunTurn(deps.monotonic)
  }

  /** The lease and what it has come to; undefined once it is being ended, or lost. */
  progress(withAnswers: boolean): JobProgress | undefined {
    const { aborted, reason } = this.#stop.signal
    if (!this.#hasLease || (aborted && reason !== 'closing')) return undefined
    const { id, lease } = this.#job
    return withAnswers && this.#held.full === undefined
      ? { id, lease, answers: this.#held.send() }
      : { id, lease }
  }

  /** What `progress` gave is stored. */
  stored({ answers = [] }: JobProgress): void {
    this.#held.stored(answers)
  }

  /** Its answers found no room: the job ends for that. */
  unstored(full: StoredBytesFull): void {
    this.#held.full = full
  }

  /** Ends the work. An attempt whose end is committed already goes on recording it. */
  stop(why: AttemptStop): void {
    if (this.#hasLease || why === 'closing') this.#stop.abort(why)
  }

  /** Works, and never rejects. */
  async run(): Promise<void> {
    const { tracing } = this.#deps.telemetry
    this.#trace = tracing && traceAttempt(tracing, this.#job)
    try {
      const outcome = await this.#work()
      if (outcome !== undefined) await this.#end(outcome)
    } catch (thrown) {
      if (this.#stop.signal.aborted) await this.#stopped()
      else this.#deps.telemetry.event('job.not_ended', { job: this.#job.id }, thrown, this.#origin)
    } finally {
      this.#trace?.end(this.#told)
    }
  }

  async #work(): Promise<AttemptOutcome | undefined> {
    const { models, records, isAccepted, telemetry } = this.#deps
    const { signal } = this.#stop
    signal.throwIfAborted()
    try {
      if (!(await isAccepted(this.#job.id))) return void (await this.#release())
      await records.started(this.#job, this.#trace?.span.context)
    } catch (fault) {
      telemetry.event('job.not_begun', { job: this.#job.id }, fault, this.#origin)
      this.#listeners.onNotStarted()
      return void (await this.#release())
    }
    const { attempts, done, createdAt, model: name } = this.#job
    // Of one that gave way or is tried again it is not its first.
    if (attempts === 1 && done === 0)
      telemetry.measures.jobBegan(modelOf(this.#job), this.#deps.clock() - createdAt)
    signal.throwIfAborted()
    const model = models.get(name)
    if (model === undefined) return void (await this.#release())
    const { onProgress } = this.#listeners
    try {
      const beginSpan = this.#trace?.beginCall
      const onUsed = (used: JobUse): void => {
        this.#used = used
      }
      const call = { signal, turn: this.turn, held: this.#held, onProgress, beginSpan, onUsed }
      return await runAttempt(this.#job, model, call, this.#deps)
    } catch (thrown) {
      if (signal.aborted) throw thrown
      return outcomeOf(thrown)
    }
  }

  async #end(outcome: AttemptOutcome): Promise<void> {
    if (outcome.end === 'released') return this.#release()
    const { records, clock, telemetry } = this.#deps
    const { id: job, attempts: attempt } = this.#job
    if (outcome.end === 'retry')
      telemetry.event('job.attempt_failed', { job, attempt }, outcome.fault, this.#origin)
    const latencyUs = this.#latencyUs()
    await this.#retryUntilDone('job.not_recorded', () => records.ensureWritable())
    const measures = this.#deps.usedBy(this.#job.id)
    const end = this.#endOf(outcome, clock())
    const settled = await this.#retryUntilDone('job.not_ended', () => this.#settle(end))
    if (settled === undefined) return this.#tellLost()
    reportDead(settled, this.#deps.telemetry)
    if (end.end === 'retry' && settled.status === 'queued') this.#listeners.onRetry(end.retryAt)
    const code = codeOf(outcome, settled)
    this.#told = { attributes: { 'modelward.code': code ?? undefined }, isError: outcome.end === 'retry' }
    await this.#record(settled, { code, latencyUs, measures, under: this.#trace?.span.context })
  }

  #latencyUs(): number {
    return Math.round((this.#deps.monotonic() - this.#begunAt) * 1_000)
  }

  async #record(ended: JobRecord, attempt: EndedAttempt): Promise<void> {
    const { charges } = this.#deps
    const { measures } = this.#deps.telemetry
    const charge = chargeOf(ended, this.#used)
    if (hasEnded(ended.status)) measures.jobEnded(modelOf(ended), (attempt.latencyUs ?? 0) / 1_000)
    await this.#retryUntilDone('job.not_recorded', () =>
      this.#deps.records.ended(ended, { ...attempt, charge }),
    )
    await charges.settle(charge, this.#origin)
  }

  #endOf(outcome: Exclude<AttemptOutcome, { readonly end: 'released' }>, now: number): AttemptEnd {
    const { keepMs, retryDelay, random } = this.#deps
    const { id, lease, attempts } = this.#job
    const attempt = { id, lease, answers: this.#held.send(), expiresAt: now + keepMs }
    if (outcome.end === 'succeeded') return { ...attempt, end: 'succeeded' }
    const { error } = outcome
    if (outcome.end === 'failed') return { ...attempt, end: 'failed', error }
    const retryAt = now + Math.max(retryDelayMs(attempts, retryDelay, random), leastWaitMs(outcome.fault))
    return { ...attempt, end: 'retry', error, retryAt }
  }

  /** How the job stands then; undefined where the lease was lost, and nothing has changed. */
  async #settle(end: AttemptEnd): Promise<JobRecord | undefined> {
    this.#hasLease = false
    try {
      const { settled } = await this.#deps.store.settle([end], this.#deps.clock(), this.#deps.bounds)
      return settled[0]
    } catch (fault) {
      this.#hasLease = true
      throw fault
    }
  }

  /** Until it can be done, or the process ends. */
  async #retryUntilDone<T>(
    event: 'job.not_ended' | 'job.not_recorded',
    act: () => Promise<T> | T,
  ): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await act()
      } catch (fault) {
        if (tries === 1) this.#deps.telemetry.event(event, { job: this.#job.id }, fault, this.#origin)
        await pause(this.#deps.scheduler, againMs, this.#stop.signal)
      }
    }
  }

  async #stopped(): Promise<void> {
    const { reason } = this.#stop.signal
    if (this.#hasLease && reason === 'closing') await this.#release()
    if (reason === 'lost') await this.#tellLost()
  }

  /** Where it was not known whether the job was cancelled: that is no lease that was lost. */
  async #tellLost(): Promise<void> {
    const { store, clock, telemetry } = this.#deps
    const { id: job, attempts: attempt } = this.#job
    const tell = (cause?: unknown): void =>
      telemetry.event('job.lease_lost', { job, attempt }, cause, this.#origin)
    try {
      const now = await store.findJob({ id: job }, clock(), 0)
      if (now !== undefined && now.status !== 'cancelled') tell()
    } catch (fault) {
      tell(fault)
    }
  }

  /**
   * Hands the job back unharmed. Where that cannot be written, its lease ends by itself; where its
   * answers find no room, it has failed.
   */
  async #release(): Promise<void> {
    const { clock, keepMs, telemetry, usedBy } = this.#deps
    const { id, lease } = this.#job
    const latencyUs = this.#latencyUs()
    const measures = usedBy(id)
    const end = {
      id,
      lease,
      answers: this.#held.send(),
      expiresAt: clock() + keepMs,
      end: 'released',
    } as const
    let settled: JobRecord | undefined
    try {
      settled = await this.#settle(end)
    } catch (fault) {
      telemetry.event('job.handback_failed', { job: id }, fault, this.#origin)
      return
    }
    if (settled === undefined) return this.#tellLost()
    // A process that ends before it can record this leaves it to the next.
    if (settled.status === 'failed')
      await this.#record(settled, { latencyUs, measures }).catch(() => undefined)
  }
}

/** Why it did not succeed: its answers may have found no room, or not be as many as its inputs. */
function codeOf(outcome: AttemptOutcome, { status, error }: JobRecord): JobErrorCode | null {
  if (error !== null) return error.code
  if (outcome.end === 'retry') return outcome.error.code
  return status === 'queued' ? answersMiscounted.code : null
}
