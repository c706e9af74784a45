import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { JobQueue } from '../job-queue.ts'
import type { JobModels } from './ask-model.ts'

export interface ReportUnservedOptions {
  readonly store: Pick<JobQueue, 'listJobs'>
  readonly clock: Clock
  readonly models: JobModels
  readonly telemetry: Telemetry
}

/** Waiting jobs that are looked at, the newest, and models that are named. */
const jobsMax = 1_000
const modelsMax = 8

/** Tells of jobs that wait for a model which this process does not serve: it takes up none. */
export async function reportUnserved({
  store,
  clock,
  models,
  telemetry,
}: ReportUnservedOptions): Promise<void> {
  try {
    const { jobs } = await store.listJobs({ status: 'queued', limit: jobsMax, now: clock() })
    const unserved = jobs.filter(({ model }) => !models.has(model))
    if (unserved.length === 0) return
    const names = new Set(unserved.map(({ model }) => model))
    telemetry.event('jobs.unserved', { jobs: unserved.length, models: [...names].slice(0, modelsMax) })
  } catch (fault) {
    telemetry.event('jobs.sweep_failed', { task: 'looking for jobs that are not served' }, fault)
  }
}
