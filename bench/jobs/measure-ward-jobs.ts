import { join } from 'node:path'
import type { JobModel } from '../../src/jobs/worker/ask-model.ts'
import { createModelRuntime } from '../../src/models/model-runtime.ts'
import { openModelward } from '../../src/ward/open-modelward.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import { percentileOf } from '../statistics.ts'

/** One phase of jobs. */
export interface MeasuredPhase {
  readonly jobsPerSecond: number
  /** CPU time of this process with all its threads, in microseconds. */
  readonly cpuPerJob: number
}

export interface MeasuredWardJobs {
  /** Accepted durably, while no worker runs. */
  readonly accepted: MeasuredPhase & {
    /** Milliseconds until a job is accepted. */
    readonly p50Ms: number
    readonly p99Ms: number
  }
  /**
   * Those same jobs, once a ward that works on them is open until the record of the last end is
   * durable.
   */
  readonly completed: MeasuredPhase
  /**
   * As many again, accepted and worked on at once, from the first call until the record of the last
   * end is durable.
   */
  readonly together: MeasuredPhase
}

/** Jobs that wait for their answers at once. */
export const submitters = 64

const warmUpJobs = 500
const owners = 4
const bound = 10_000_000

/**
 * Has jobs of the built-in model accepted and worked on in a folder of their own: jobs, ledger and
 * all, as `openModelward` opens them.
 */
export async function measureWardJobs(jobs: number): Promise<MeasuredWardJobs> {
  const folder = createTemporaryFolder()
  const runtime = await createModelRuntime()
  try {
    const data = join(folder.path, 'data')
    const models = new Map<string, JobModel>(runtime.models)
    const accepted = await accept(data, models, jobs)
    const completed = await complete(data, models, jobs)
    const together = await acceptAndComplete(data, models, jobs)
    return { accepted, completed, together }
  } finally {
    await runtime.close()
    folder.remove()
  }
}

type Models = ReadonlyMap<string, JobModel>

async function accept(data: string, models: Models, jobs: number): Promise<MeasuredWardJobs['accepted']> {
  const ward = await openWard(data, models, { concurrency: 0 })
  // Not counted: the code is compiled meanwhile. They are worked on with the others.
  await submitMany(ward, warmUpJobs)
  const latencies: number[] = []
  const phase = await timePhase(jobs, () => submitMany(ward, jobs, latencies))
  await ward.close()
  const samples = Float64Array.from(latencies)
  return { ...phase, p50Ms: percentileOf(samples, 0.5), p99Ms: percentileOf(samples, 0.99) }
}

async function complete(data: string, models: Models, jobs: number): Promise<MeasuredPhase> {
  const ends = countEnds(jobs + warmUpJobs)
  const ward = await openWard(data, models, { sinks: [ends.note] })
  const phase = await timePhase(jobs + warmUpJobs, () => ends.all)
  await ward.close()
  return phase
}

async function acceptAndComplete(data: string, models: Models, jobs: number): Promise<MeasuredPhase> {
  const ends = countEnds(jobs)
  const ward = await openWard(data, models, { sinks: [ends.note] })
  const phase = await timePhase(jobs, () => Promise.all([submitMany(ward, jobs), ends.all]))
  await ward.close()
  return phase
}

type BenchWard = Awaited<ReturnType<typeof openWard>>

function openWard(
  data: string,
  models: Models,
  { concurrency, sinks = [] }: { readonly concurrency?: number; readonly sinks?: readonly Sink[] },
): ReturnType<typeof openModelward> {
  const jobs = { models, jobsMax: bound, ownerJobsMax: bound, ...(concurrency === 0 && { concurrency }) }
  return openModelward({ data, jobs, sinks })
}

type Sink = (entry: { readonly event: string }) => void

function countEnds(jobs: number): { readonly note: Sink; readonly all: Promise<void> } {
  const all = Promise.withResolvers<void>()
  let ended = 0
  return {
    all: all.promise,
    note({ event }) {
      if (event === 'job.failed') all.reject(new Error('a job failed'))
      if (event === 'job.finished') ended += 1
      if (ended === jobs) all.resolve()
    },
  }
}

async function submitMany(ward: BenchWard, jobs: number, latencies: number[] = []): Promise<void> {
  let number = 0
  async function submitOn(): Promise<void> {
    while (number < jobs) {
      number += 1
      const startedAt = performance.now()
      await ward.jobs?.submit({
        owner: `owner-${number % owners}`,
        keyId: '7Qm2xT0bKc9Z',
        requestId: '0198a7c2-5b1e-7d3a-9f00-000000000000',
        model: 'sentiment',
        kind: 'single',
        inputs: ['I love this great product, and I would buy it again'],
      })
      latencies.push(performance.now() - startedAt)
    }
  }
  await Promise.all(Array.from({ length: submitters }, submitOn))
}

async function timePhase(jobs: number, run: () => Promise<unknown>): Promise<MeasuredPhase> {
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  await run()
  const ms = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  return { jobsPerSecond: jobs / (ms / 1_000), cpuPerJob: (user + system) / jobs }
}
