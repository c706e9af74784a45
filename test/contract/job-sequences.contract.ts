import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JobAnswers, JobRecord, NewJob } from '../../src/jobs/job.ts'
import type { AttemptEnd } from '../../src/jobs/job-queue.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { scaled } from '../support/scaled.ts'
import {
  askOf,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  lateness,
  leaseMs,
  type OpenedJobStore,
  type OpenJobStore,
  wide,
} from './job-fixtures.ts'
import { JobModel } from './job-model.ts'

const owners = ['acme', 'globex', 'initech'] as const
/** One worker has both models, the other one of them. */
const workers = [['a', 'b'], ['a']] as const
const bounds = { ...wide, jobsMax: 14, ownerJobsMax: 8 }

const pick = fc.nat(999)
const owner = fc.constantFrom(...owners)
const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('submit' as const),
        owner,
        count: fc.integer({ min: 1, max: 4 }),
        fields: fc.record({
          model: fc.constantFrom('a', 'b'),
          priority: fc.integer({ min: 0, max: 2 }),
          attemptsMax: fc.integer({ min: 1, max: 3 }),
          total: fc.integer({ min: 1, max: 5 }),
          webhook: fc.constantFrom(null, 'https://example.com/hook'),
        }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('claim' as const),
        models: fc.constantFrom(...workers),
        max: fc.integer({ min: 0, max: 4 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('settle' as const),
        picks: fc.array(pick, { minLength: 1, maxLength: 3 }),
        end: fc.constantFrom('succeeded' as const, 'failed' as const, 'retry' as const, 'released' as const),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('extend' as const), pick, inputs: fc.nat(3) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('cancel' as const), pick, owner: fc.option(owner) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('retry' as const), pick, owner: fc.option(owner) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('forget' as const), max: fc.integer({ min: 1, max: 4 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('jump' as const),
        by: fc.constantFrom(1, 1_000, leaseMs, leaseMs + 1, keepMs, -500, -leaseMs, -keepMs),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  ),
  { maxLength: 60, size: 'max' },
)

type Step = (typeof steps extends fc.Arbitrary<infer T> ? T : never)[number]

/**
 * Whatever is done one after another has the outcome that it has on a plain list of jobs.
 *
 * @param runs how many sequences: fewer where a store is slow to open
 */
export function testJobSequences(open: OpenJobStore, runs: number): void {
  test('in any sequence of calls and clock jumps no job is lost, held twice or ended twice, attempts keep their bound, and owners their turns', {
    timeout: scaled(120_000),
  }, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const opened = await open()
        try {
          const run = new Run(opened)
          for (const step of sequence) {
            await run.carryOut(step)
            await run.compare()
          }
          await run.compareLists()
        } finally {
          await opened.close()
        }
      }),
      { numRuns: runs },
    )
  })
}

/** The store and the model, on their way through one sequence. */
class Run {
  readonly #opened: OpenedJobStore
  readonly #model = new JobModel(owners.length)
  /** Every lease that was ever given, so that old ones are tried too. */
  readonly #leases: { readonly id: string; readonly lease: string }[] = []
  #store: JobStore
  #now = jobBegin
  #jobs = 0

  constructor(opened: OpenedJobStore) {
    this.#opened = opened
    this.#store = opened.store
  }

  async carryOut(step: Step): Promise<void> {
    switch (step.kind) {
      case 'submit':
        return this.#submit(step.count, { owner: step.owner, ...step.fields })
      case 'claim':
        return this.#claim(step.models, step.max)
      case 'settle':
        return this.#settle(step.picks, step.end)
      case 'extend':
        return this.#extend(step.pick, step.inputs)
      case 'cancel':
        return this.#cancel(step.pick, step.owner)
      case 'retry':
        return this.#retry(step.pick, step.owner)
      case 'forget':
        return this.#forget(step.max)
      case 'jump':
        this.#now += step.by
        return
      case 'reopen':
        if (this.#opened.reopen !== undefined) this.#store = await this.#opened.reopen()
    }
  }

  async #submit(count: number, fields: Partial<NewJob>): Promise<void> {
    const jobs = [...Array(count).keys()].map(() => {
      this.#jobs += 1
      return jobOf(this.#jobs, { ...fields, createdAt: this.#now })
    })
    const isFull =
      this.#model.open() + count > bounds.jobsMax ||
      this.#model.open(fields.owner) + count > bounds.ownerJobsMax
    expect(await this.#store.submit({ jobs, bounds })).toEqual({ outcome: isFull ? 'full' : 'accepted' })
    if (!isFull) this.#model.submit(jobs)
  }

  async #claim(models: readonly string[], max: number): Promise<void> {
    const ask = askOf({ models, max, now: this.#now })
    const outcome = await this.#store.claim(ask)
    this.#leases.push(...outcome.claimed.map(({ id, lease }) => ({ id, lease })))
    this.#model.claim(ask, outcome)
  }

  async #settle(picks: readonly number[], end: AttemptEnd['end']): Promise<void> {
    const expiresAt = this.#now + keepMs
    const rest = { error: lateness, retryAt: this.#now + 1_000, expiresAt }
    const ends = picks.flatMap((pick) => {
      const leased = this.#leases.at(-1 - (pick % (this.#leases.length || 1)))
      if (leased === undefined) return []
      const answers = this.#nextAnswers(leased, end === 'succeeded' ? 5 : pick % 3)
      return [{ ...leased, ...fieldsOf(end, rest), answers }]
    })
    const expected = ends.flatMap((attempt) => this.#model.settle(attempt, this.#now)?.record ?? [])
    const { settled } = await this.#store.settle(ends, this.#now, wide)
    expect(settled.map(withoutResult)).toEqual(expected.map(withoutResult))
  }

  /** The next answers of a job, and those of before again. */
  #nextAnswers({ id, lease }: { readonly id: string; readonly lease: string }, inputs: number): JobAnswers[] {
    const job = this.#model.leased(id, lease)
    if (job === undefined) return []
    const { done, total } = job.record
    const count = Math.min(inputs, total - done)
    const text = (from: number, to: number): string =>
      [...Array(to - from).keys()].map((at) => from + at).join()
    const next = { from: done, inputs: count, errors: 0, text: text(done, done + count) }
    const before = { from: 0, inputs: done, errors: 0, text: text(0, done) }
    return [before, next].filter((answers) => answers.inputs > 0)
  }

  async #extend(pick: number, inputs: number): Promise<void> {
    const leased = this.#leases.at(-1 - (pick % (this.#leases.length || 1)))
    if (leased === undefined) return
    const until = this.#now + leaseMs
    const job = this.#model.leased(leased.id, leased.lease)
    const answers = this.#nextAnswers(leased, inputs)
    const { lost } = await this.#store.extend([{ ...leased, answers }], until, wide)
    expect(lost).toEqual(job === undefined ? [leased.id] : [])
    if (job === undefined) return
    const stand = { dueAt: until, wasDue: false, lease: leased.lease }
    if (this.#model.answer(job, { answers })) this.#model.change(job, {}, stand)
    else Object.assign(job, stand)
  }

  async #cancel(pick: number, owner: string | null): Promise<void> {
    const address = { id: jobId(pick % (this.#jobs + 1)), ...(owner === null ? {} : { owner }) }
    const job = this.#model.find(address.id, this.#now, address.owner)
    const cancelled = job?.record.status === 'queued' || job?.record.status === 'running'
    if (job !== undefined && cancelled)
      this.#model.change(job, { status: 'cancelled', finishedAt: this.#now, expiresAt: this.#now + keepMs })
    const outcome = await this.#store.cancel(address, this.#now, keepMs)
    expect(outcome).toEqual(job === undefined ? undefined : { job: job.record, cancelled })
  }

  async #retry(pick: number, owner: string | null): Promise<void> {
    const address = { id: jobId(pick % (this.#jobs + 1)), ...(owner === null ? {} : { owner }) }
    const job = this.#model.find(address.id, this.#now, address.owner)
    const retried = job?.record.status === 'dead' || job?.record.status === 'failed'
    const fresh = { attempts: 0, error: null, finishedAt: null, expiresAt: null }
    // None of the answers here is a problem, so it goes on behind them.
    if (job !== undefined && retried)
      this.#model.change(job, { status: 'queued', done: job.answers.length, ...fresh })
    const outcome = await this.#store.retry(address, this.#now)
    expect(outcome).toEqual(job === undefined ? undefined : { job: job.record, retried })
  }

  /** Which of the expired go first is the store's choice. */
  async #forget(max: number): Promise<void> {
    const expired = this.#model.jobs.filter(
      ({ record }) => this.#model.find(record.id, this.#now) === undefined,
    )
    const forgotten = await this.#store.forgetExpired(this.#now, max)
    expect(forgotten).toBe(Math.min(max, expired.length))
    const left = await this.#findAll(0)
    const gone = expired.filter(({ record }) => !left.some((found) => found.id === record.id))
    expect(gone).toHaveLength(forgotten)
    this.#model.jobs = this.#model.jobs.filter((job) => !gone.includes(job))
  }

  /** Checks that everything is as in the model: nothing lost, nothing that is not to be there. */
  async compare(): Promise<void> {
    const expected = this.#model.jobs.map(({ record }) => record)
    const isThere = ({ id }: JobRecord): boolean => this.#model.find(id, this.#now) !== undefined
    expect(await this.#findAll(this.#now)).toEqual(expected.filter(isThere))
    const running = expected.filter(({ status }) => status === 'running').length
    expect(await this.#store.countJobs()).toEqual({ queued: this.#model.open() - running, running })
  }

  async #findAll(now: number): Promise<JobRecord[]> {
    const numbers = [...Array(this.#jobs).keys()].map((index) => index + 1)
    const found = await Promise.all(numbers.map((number) => this.#store.findJob({ id: jobId(number) }, now)))
    return found.flatMap((job) => job ?? [])
  }

  async compareLists(): Promise<void> {
    for (const one of owners) {
      const { jobs } = await this.#store.listJobs({ owner: one, limit: 1_000, now: this.#now })
      const expected = this.#model.jobs
        .map(({ record }) => record)
        .filter(({ id, owner: of }) => of === one && this.#model.find(id, this.#now) !== undefined)
        .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
      expect(jobs).toEqual(expected.map(withoutResult))
    }
    const deliveries = await this.#store.listDeliveries({ limit: 1_000 })
    const byVersion = (a: JobRecord, b: JobRecord): number =>
      a.id < b.id ? -1 : a.id > b.id ? 1 : a.version - b.version
    expect(deliveries.map(({ job }) => job).sort(byVersion)).toEqual(
      this.#model.delivered.toSorted(byVersion),
    )
  }
}

function fieldsOf(
  end: AttemptEnd['end'],
  rest: { error: JobRecord['error'] & object; retryAt: number; expiresAt: number },
) {
  const { error, retryAt, expiresAt } = rest
  switch (end) {
    case 'succeeded':
      return { end, expiresAt }
    case 'failed':
      return { end, error, expiresAt }
    case 'retry':
      return { end, error, retryAt, expiresAt }
    case 'released':
      return { end, expiresAt }
  }
}

function withoutResult(record: JobRecord): JobRecord {
  return { ...record, result: null }
}
