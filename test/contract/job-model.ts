import { expect } from 'vitest'
import { hasEnded, type JobRecord, jobLost, type NewJob } from '../../src/jobs/job.ts'
import type { AttemptEnd, ClaimedJob, ClaimOutcome, JobClaim } from '../../src/jobs/job-queue.ts'
import { acceptedOf } from './job-fixtures.ts'

/** A job as the plain model holds it. */
export interface ModelJob {
  record: JobRecord
  readonly inputs: string
  readonly order: number
  /** Of the first inputs, as they are stored. */
  answers: string[]
  /** When it may be taken; null: at once. */
  dueAt: number | null
  /** Whether a claim has seen it due: it may stay so, though the clock is set back. */
  wasDue: boolean
  lease: string | null
}

/**
 * The port as a plain list that is searched. Where the port leaves a choice, the model follows the
 * store.
 */
export class JobModel {
  jobs: ModelJob[] = []
  /** What was put out of ended jobs. */
  readonly delivered: JobRecord[] = []
  /** How many jobs of others were claimed while an owner had one that was due. */
  readonly #passed = new Map<string, number>()
  #order = 0
  readonly owners: number

  constructor(owners: number) {
    this.owners = owners
  }

  open(owner?: string): number {
    return this.jobs.filter(
      ({ record }) => !hasEnded(record.status) && (owner === undefined || record.owner === owner),
    ).length
  }

  submit(jobs: readonly NewJob[]): void {
    for (const job of jobs) {
      this.#order += 1
      const { inputs } = job
      const stand = { dueAt: null, wasDue: true, lease: null, answers: [] }
      this.jobs.push({ record: acceptedOf(job), inputs, order: this.#order, ...stand })
    }
  }

  find(id: string, now: number, owner?: string): ModelJob | undefined {
    return this.jobs.find(
      ({ record }) =>
        record.id === id &&
        (owner === undefined || record.owner === owner) &&
        (record.expiresAt === null || record.expiresAt > now),
    )
  }

  leased(id: string, lease: string): ModelJob | undefined {
    return this.jobs.find((job) => job.record.id === id && job.lease === lease)
  }

  change(job: ModelJob, fields: Partial<JobRecord>, stand: Partial<ModelJob> = {}): void {
    const record = { ...job.record, ...fields, version: job.record.version + 1 }
    const isShown = hasEnded(record.status) && job.answers.length > 0
    job.record = { ...record, result: isShown ? resultOf(record, job.answers) : null }
    Object.assign(job, { dueAt: null, wasDue: true, lease: null, ...stand })
    if (hasEnded(job.record.status) && job.record.webhook !== null)
      this.delivered.push({ ...job.record, result: null })
  }

  /** Checks what a claim gave, and takes it over. */
  claim(ask: JobClaim, { claimed, ended }: ClaimOutcome): void {
    this.#die(ask, ended)
    expect(claimed.length).toBeLessThanOrEqual(ask.max)
    for (const claimedJob of claimed) this.#take(ask, claimedJob)
    if (claimed.length < ask.max) expect(this.#due(ask), 'a due job was left').toEqual([])
  }

  #die({ now, keepMs }: JobClaim, dead: readonly JobRecord[]): void {
    for (const job of this.jobs) job.wasDue ||= job.dueAt !== null && job.dueAt <= now
    const lost = this.jobs.filter(
      ({ record, dueAt }) =>
        record.status === 'running' && (dueAt ?? 0) <= now && record.attempts >= record.attemptsMax,
    )
    for (const job of lost) {
      const expiresAt = now + keepMs
      this.change(job, { status: 'dead', error: jobLost, finishedAt: now, expiresAt })
    }
    const byId = (one: JobRecord, other: JobRecord): number => (one.id < other.id ? -1 : 1)
    const expected = lost.map(({ record }) => ({ ...record, result: null }))
    expect(dead.toSorted(byId)).toEqual(expected.toSorted(byId))
  }

  #take(ask: JobClaim, claimedJob: ClaimedJob): void {
    const job = this.jobs.find(({ record }) => record.id === claimedJob.id)
    if (job === undefined) throw new Error(`${claimedJob.id} was claimed and is not there`)
    const { record } = job
    expect(hasEnded(record.status), 'an ended job was claimed').toBe(false)
    expect(job.wasDue, 'a job was claimed that is not due, or that another holds').toBe(true)
    expect(ask.models).toContain(record.model)
    for (const other of this.#due(ask).filter((due) => due.record.owner === record.owner))
      expect(isBefore(other, job), `${other.record.id} comes before ${record.id}`).toBe(false)
    this.#countTurn(ask, record.owner)
    const before = job.lease
    const attempts = record.attempts + 1
    const { until: dueAt, now: startedAt } = ask
    const { inputs, lease, answerBytes: _, ...rest } = claimedJob
    this.change(job, { status: 'running', attempts, startedAt }, { dueAt, wasDue: false, lease })
    expect(rest).toEqual(job.record)
    expect(rest.attempts).toBeLessThanOrEqual(rest.attemptsMax)
    expect(inputs).toBe(job.inputs)
    expect(lease, 'each attempt has a lease of its own').not.toBe(before)
  }

  /** An owner with a due job is served within as many jobs as there are owners. */
  #countTurn(ask: JobClaim, served: string): void {
    const waiting = new Set(this.#due(ask).map(({ record }) => record.owner))
    for (const owner of this.#passed.keys())
      if (!this.jobs.some((job) => job.record.owner === owner && isDue(job, ask.now)))
        this.#passed.delete(owner)
    waiting.delete(served)
    this.#passed.delete(served)
    for (const owner of waiting) {
      const passed = (this.#passed.get(owner) ?? 0) + 1
      expect(passed, `${owner} was passed over`).toBeLessThan(this.owners)
      this.#passed.set(owner, passed)
    }
  }

  #due({ models, now }: JobClaim): ModelJob[] {
    return this.jobs.filter((job) => isDue(job, now) && models.includes(job.record.model))
  }

  settle(attempt: AttemptEnd, now: number): ModelJob | undefined {
    const job = this.leased(attempt.id, attempt.lease)
    if (job === undefined) return undefined
    const { attempts, attemptsMax, total } = job.record
    this.answer(job, attempt)
    if (attempt.end === 'released') this.change(job, { status: 'queued', attempts: attempts - 1 })
    else if (attempt.end === 'succeeded') {
      const { expiresAt } = attempt
      this.change(job, { status: 'succeeded', done: total, finishedAt: now, expiresAt })
    } else if (attempt.end === 'failed' || attempts >= attemptsMax) {
      const { error, expiresAt } = attempt
      const status = attempt.end === 'failed' ? 'failed' : 'dead'
      this.change(job, { status, error, finishedAt: now, expiresAt })
    } else this.change(job, { status: 'queued' }, { dueAt: attempt.retryAt, wasDue: false })
    return job
  }

  /** Takes the answers that are new; whether there are any. */
  answer(job: ModelJob, { answers = [] }: Pick<AttemptEnd, 'answers'>): boolean {
    const before = job.answers.length
    for (const { from, inputs, text } of answers)
      if (from >= job.answers.length) job.answers.push(...text.split(',').slice(0, inputs))
    job.record = { ...job.record, done: job.answers.length }
    return job.answers.length > before
  }
}

function resultOf({ kind }: JobRecord, answers: readonly string[]): string {
  return kind === 'batch' ? `[${answers.join()}]` : answers.join()
}

function isDue({ record, dueAt }: ModelJob, now: number): boolean {
  return !hasEnded(record.status) && (dueAt === null || dueAt <= now)
}

/**
 * After a clock was set back, the older of two may have been accepted later: either may come first.
 */
function isBefore(one: ModelJob, other: ModelJob): boolean {
  if (one === other) return false
  if (one.record.priority !== other.record.priority) return one.record.priority > other.record.priority
  return one.order < other.order && one.record.createdAt <= other.record.createdAt
}
