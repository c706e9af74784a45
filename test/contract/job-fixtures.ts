import { expect } from 'vitest'
import type { ReservationRecord, ReservedAnswer } from '../../src/idempotency/idempotency-store.ts'
import type { JobAnswers, JobError, JobRecord, NewJob } from '../../src/jobs/job.ts'
import type {
  AttemptEnd,
  ClaimedJob,
  ExtendOutcome,
  JobBounds,
  JobChange,
  JobClaim,
  JobProgress,
  JobQuery,
} from '../../src/jobs/job-queue.ts'
import type { JobStore } from '../../src/storage/job-store.ts'

/** A store under test, empty when it is opened. */
export interface OpenedJobStore {
  readonly store: JobStore
  /** Closes a durable store and opens it again. Absent for other stores. */
  readonly reopen?: () => Promise<JobStore>
  readonly close: () => Promise<void>
}

/** Opens a store of its own, which shares nothing with any other. */
export type OpenJobStore = () => Promise<OpenedJobStore>

/** The store of the running test; another object after `reopen`. */
export type GetStore = () => JobStore

/** When tests begin: the clock is a parameter of every call. */
export const jobBegin: number = Date.UTC(2026, 10, 24, 23, 59)
export const leaseMs = 30_000
export const keepMs = 3_600_000
export const unavailable = { name: 'Fault', code: 'store_unavailable' }

export function jobId(number: number): string {
  return `job_${String(number).padStart(22, '0')}`
}

/** A plain job with these fields. */
export function jobOf(number: number, fields: Partial<NewJob> = {}): NewJob {
  return {
    id: jobId(number),
    owner: 'acme',
    keyId: 'key_a',
    requestId: `request-${number}`,
    model: 'sentiment',
    kind: 'single',
    inputs: JSON.stringify([`text ${number}`]),
    total: 1,
    priority: 0,
    attemptsMax: 3,
    webhook: null,
    createdAt: jobBegin,
    ...fields,
  }
}

/** How a job stands when it has just been accepted. */
export function acceptedOf({ inputs: _, ...job }: NewJob): JobRecord {
  return {
    ...job,
    status: 'queued',
    version: 1,
    done: 0,
    errors: 0,
    attempts: 0,
    result: null,
    error: null,
    startedAt: null,
    finishedAt: null,
    expiresAt: null,
  }
}

export const wide: JobBounds = {
  jobsMax: 1_000_000,
  ownerJobsMax: 1_000_000,
  bytesMax: 2 ** 40,
  ownerBytesMax: 2 ** 40,
}

/** Has jobs accepted, a hundred in a statement: a thousand take too long on a busy machine. */
export async function submit(store: JobStore, ...jobs: readonly NewJob[]): Promise<void> {
  for (let from = 0; from < jobs.length; from += 100)
    expect(await store.submit({ jobs: jobs.slice(from, from + 100), bounds: wide })).toEqual({
      outcome: 'accepted',
    })
}

/** Claims jobs that are due when tests begin, with these options. */
export async function claim(store: JobStore, fields: Partial<JobClaim> = {}): Promise<readonly ClaimedJob[]> {
  return (await store.claim(askOf(fields))).claimed
}

export function askOf(fields: Partial<JobClaim> = {}): JobClaim {
  const now = fields.now ?? jobBegin
  return { max: 1_000, now, until: now + leaseMs, models: ['sentiment'], keepMs, ...fields }
}

/** Submits one job and takes it. */
export async function startJob(store: JobStore, job: NewJob = jobOf(1)): Promise<ClaimedJob> {
  await submit(store, job)
  const found = (await claim(store, { models: [job.model], now: job.createdAt })).find(
    ({ id }) => id === job.id,
  )
  if (found === undefined) throw new Error(`${job.id} was not claimed`)
  return found
}

/** Answers of a worker, none of them a problem. */
export function answered(text: string, inputs = 1, from = 0): readonly JobAnswers[] {
  return [{ from, inputs, errors: 0, text }]
}

/** Keeps leases, with the answers so far. */
export function extend(
  store: JobStore,
  leases: readonly JobProgress[],
  until: number,
): Promise<ExtendOutcome> {
  return store.extend(leases, until, wide)
}

type End = AttemptEnd extends infer E ? (E extends unknown ? Omit<E, 'id' | 'lease'> : never) : never

export const lateness: JobError = { code: 'model_timeout', detail: 'The model did not answer in time.' }
export const succeeded: End = {
  end: 'succeeded',
  answers: answered('{"label":"good"}'),
  expiresAt: jobBegin + keepMs,
}
export const failed: End = { end: 'failed', error: lateness, expiresAt: jobBegin + keepMs }
export const released: End = { end: 'released', expiresAt: jobBegin + keepMs }
export function retryAt(at: number): End {
  return { end: 'retry', error: lateness, retryAt: at, expiresAt: jobBegin + keepMs }
}

/** Ends one attempt; returns the job then, or undefined if the lease was lost. */
export async function settle(
  store: JobStore,
  { id, lease }: { readonly id: string; readonly lease: string },
  end: End,
  now: number = jobBegin,
): Promise<JobRecord | undefined> {
  const { settled } = await store.settle([{ id, lease, ...end } as AttemptEnd], now, wide)
  expect(settled.length).toBeLessThanOrEqual(1)
  return settled[0]
}

/** Submits a job and ends it. */
export async function endJob(store: JobStore, job: NewJob, end: End = succeeded): Promise<void> {
  expect(await settle(store, await startJob(store, job), end)).toBeDefined()
}

export async function find(
  store: JobStore,
  number: number,
  now: number = jobBegin,
): Promise<JobRecord | undefined> {
  return store.findJob({ id: jobId(number) }, now)
}

/** How many bytes count, in all: found out by what a submission without jobs is refused for. */
export async function countBytes(store: JobStore): Promise<number> {
  let [low, high] = [0, 2 ** 30]
  while (low < high) {
    const bytesMax = Math.floor((low + high) / 2)
    const { outcome } = await store.submit({ jobs: [], bounds: { ...wide, bytesMax } })
    if (outcome === 'accepted') high = bytesMax
    else low = bytesMax + 1
  }
  return low
}

export function idsOf(jobs: readonly { readonly id: string }[]): number[] {
  return jobs.map(({ id }) => Number(id.slice('job_'.length)))
}

/** Ids of all pages, read by `after`. */
export async function listIds(store: JobStore, query: Partial<JobQuery> = {}): Promise<number[]> {
  const ids: number[] = []
  let after: JobQuery['after']
  for (;;) {
    const page = await store.listJobs({
      limit: 1_000,
      now: jobBegin,
      ...query,
      ...(after === undefined ? {} : { after }),
    })
    ids.push(...idsOf(page.jobs))
    after = page.jobs.at(-1)
    if (!page.hasMore || after === undefined) return ids
  }
}

export function reservationOf(fields: Partial<ReservationRecord> = {}): ReservationRecord {
  const until = jobBegin + leaseMs
  return { id: 'key', owner: 'acme', requestDigest: 'request', holder: 'one', until, ...fields }
}

export function reservedAnswerOf(fields: Partial<ReservedAnswer> = {}): ReservedAnswer {
  return {
    id: 'key',
    requestDigest: 'request',
    holder: 'one',
    sealed: new Uint8Array([0, 255, 7]),
    expiresAt: jobBegin + keepMs,
    ...fields,
  }
}

/** What a listener heard, and a way to wait for it. */
export interface Listening {
  readonly changes: readonly JobChange[]
  /** Resolves once this many changes of jobs have been reported in all. */
  readonly heard: (jobs: number) => Promise<void>
  readonly stop: () => void
}

export function listen(store: JobStore): Listening {
  const changes: JobChange[] = []
  let wake: () => void = () => undefined
  const stop = store.watch((change) => {
    changes.push(change)
    wake()
  })
  return {
    changes,
    stop,
    async heard(jobs) {
      while (changes.flatMap((change) => change.jobs).length < jobs)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    },
  }
}
