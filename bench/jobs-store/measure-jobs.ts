import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drawBase62 } from '../../src/core/base62.ts'
import type { NewJob } from '../../src/jobs/job.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { openSqliteJobStore } from '../../src/storage/sqlite/jobs/job-store.ts'
import { percentileOf } from '../statistics.ts'

export interface Measured {
  readonly jobsPerSecond: number
  /** Milliseconds until a call is durable. */
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface MeasuredJobs {
  readonly accepted: Measured
  /** Claimed and settled, so that each job is two commits. */
  readonly worked: Measured
  /** One owner's claim while so many of another's wait, milliseconds. */
  readonly claimAmongMs: number
}

/** How many jobs of one owner wait while another's is claimed. */
export const waitingJobs = 100_000
const bounds = {
  jobsMax: 10_000_000,
  ownerJobsMax: 10_000_000,
  bytesMax: 2 ** 40,
  ownerBytesMax: 2 ** 40,
}
const leaseMs = 60_000
const keepMs = 86_400_000

/** Has jobs accepted for so many seconds, then works on them for as long, in a store of its own. */
export async function measureJobs(inFlight: number, seconds: number): Promise<MeasuredJobs> {
  const folder = await mkdtemp(join(tmpdir(), 'modelward-bench-'))
  try {
    const store = await openSqliteJobStore({ file: join(folder, 'jobs.db') })
    const accepted = await runFor(inFlight, seconds, () => acceptOne(store))
    await fill(store, waitingJobs)
    const worked = await runFor(Math.max(1, inFlight / claimMax), seconds, () => workOnSome(store))
    const claimAmongMs = await claimAmong(store)
    await store.close()
    return { accepted, worked, claimAmongMs }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Jobs that a worker takes at once. */
const claimMax = 32

async function runFor(inFlight: number, seconds: number, work: () => Promise<number>): Promise<Measured> {
  const latencies: number[] = []
  let jobs = 0
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  async function workOn(): Promise<void> {
    for (let now = performance.now(); now < endsAt; ) {
      const done = await work()
      jobs += done
      const then = performance.now()
      latencies.push(then - now)
      now = then
    }
  }
  await Promise.all(Array.from({ length: inFlight }, workOn))
  const ms = performance.now() - startedAt
  const samples = Float64Array.from(latencies)
  return {
    jobsPerSecond: jobs / (ms / 1_000),
    p50Ms: percentileOf(samples, 0.5),
    p99Ms: percentileOf(samples, 0.99),
  }
}

async function acceptOne(store: JobStore): Promise<number> {
  await store.submit({ jobs: [jobOf('acme')], bounds })
  return 1
}

async function workOnSome(store: JobStore): Promise<number> {
  const { claimed } = await claimSome(store, claimMax)
  const now = Date.now()
  const expiresAt = now + keepMs
  const text = '{"label":"positive","score":0.98}'
  const answers = [{ from: 0, inputs: 1, errors: 0, text }]
  const ends = claimed.map(({ id, lease }) => ({ id, lease, end: 'succeeded' as const, answers, expiresAt }))
  const { settled } = await store.settle(ends, now, bounds)
  return settled.length
}

async function fill(store: JobStore, count: number): Promise<void> {
  for (let filled = 0; filled < count; filled += 1_000)
    await store.submit({ jobs: Array.from({ length: 1_000 }, () => jobOf('acme')), bounds })
}

/** The best of ten: what it costs, not what else this machine does. */
async function claimAmong(store: JobStore): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < 10; turn += 1) {
    await store.submit({ jobs: [jobOf('umbrella')], bounds })
    const startedAt = performance.now()
    await claimSome(store, 2)
    best = Math.min(best, performance.now() - startedAt)
  }
  return best
}

function claimSome(store: JobStore, max: number): ReturnType<JobStore['claim']> {
  const now = Date.now()
  return store.claim({ max, now, until: now + leaseMs, models: ['sentiment'], keepMs })
}

function jobOf(owner: string): NewJob {
  return {
    id: `job_${drawBase62(22, randomBytes)}`,
    owner,
    keyId: '7Qm2xT0bKc9Z',
    requestId: '0198a7c2-5b1e-7d3a-9f00-000000000000',
    model: 'sentiment',
    kind: 'single',
    inputs: '["I love this great product, and I would buy it again"]',
    total: 1,
    priority: 0,
    attemptsMax: 3,
    webhook: null,
    createdAt: Date.now(),
  }
}
