import { isWholeFrom } from '../core/check-options.ts'
import { Refusal } from '../core/refusal.ts'
import type { Clock } from '../core/time.ts'
import { awaitJob, followJob } from './follow-job.ts'
import type { JobRecord } from './job.ts'
import type { JobChanges } from './job-changes.ts'
import { chargeOf, type JobCharges, lateChargeOf } from './job-charges.ts'
import { readOrigin } from './job-origin.ts'
import type { JobAddress, JobQueue } from './job-queue.ts'
import type { JobRecords } from './job-records.ts'
import { anyOwner, type JobOwner, type JobService, ownerOf } from './job-service.ts'
import { type JobView, viewJob, viewOwnedJob } from './view-job.ts'

export interface JobAccessOptions {
  readonly store: JobQueue
  readonly clock: Clock
  /** Never jumps, in milliseconds. */
  readonly monotonic: Clock
  readonly keepMs: number
  readonly records: JobRecords
  readonly changes: JobChanges
  readonly charges: JobCharges
}

/** Reading, following and changing the jobs that are there. */
export function createJobAccess(
  options: JobAccessOptions,
): Pick<JobService, 'get' | 'events' | 'list' | 'cancel' | 'retry' | 'counts' | 'countStates'> {
  const { store, clock, monotonic, keepMs, records, changes, charges } = options
  const reading =
    (owner: JobOwner, id: string) =>
    async (resultMax?: number): Promise<JobRecord> =>
      found(await store.findJob(addressOf(owner, id), clock(), resultMax))

  return {
    get: async (owner, id, wait = {}) =>
      viewOf(owner)(await awaitJob(changes, monotonic, id, reading(owner, id), wait)),
    events: (owner, id, from = {}) => followJob(changes, id, reading(owner, id), from),
    async list(owner, { owner: only, status, limit = 100, after } = {}) {
      if (!isLimit(limit)) throw new TypeError(`jobs.list: \`limit\`: expected 1 to 1,000, got ${limit}`)
      const query = {
        limit,
        now: clock(),
        owner: only,
        // Last, so that no query widens what this owner may see.
        ...ownerOf(owner),
        status,
        after,
      }
      const { jobs, hasMore, damaged } = await store.listJobs(query)
      const last = jobs.at(-1)
      const next = hasMore && last !== undefined ? { createdAt: last.createdAt, id: last.id } : undefined
      return { jobs: jobs.map(viewOf(owner)), next, ...(damaged && { damaged }) }
    },
    async cancel(owner, id, changer = {}) {
      await records.ensureWritable()
      const { job, cancelled } = found(await store.cancel(addressOf(owner, id), clock(), keepMs))
      if (cancelled) {
        const charge = charges.mayCharge ? chargeOf(job, undefined) : lateChargeOf(job)
        await records.cancelled(job, changer, charge)
        await charges.settle(charge, readOrigin(job.requestId))
      }
      return viewOf(owner)(job)
    },
    async retry(owner, id, changer = {}) {
      await records.ensureWritable()
      refuseCall(found(await store.findJob(addressOf(owner, id), clock(), 0)))
      const { job, retried } = found(await store.retry(addressOf(owner, id), clock()))
      if (retried) await records.retried(job, changer)
      return viewOf(owner)(job)
    },
    counts: store.countJobs,
    countStates: store.countStates,
  }
}

const isLimit = isWholeFrom(1, 1_000)

/** Names the owner of each job only in answers about the jobs of all owners. */
function viewOf(owner: JobOwner): (job: JobRecord) => JobView {
  return owner === anyOwner ? viewOwnedJob : viewJob
}

/** What was reserved for it has been given back, or charged: it is a new call. */
function refuseCall({ requestId }: JobRecord): void {
  if (readOrigin(requestId).call !== undefined)
    throw new Refusal('input_invalid', 'A call of a model server is not retried: send it again.')
}

function found<T>(job: T | undefined): T {
  if (job === undefined) throw new Refusal('job_not_found')
  return job
}

function addressOf(owner: JobOwner, id: string): JobAddress {
  return { id, ...ownerOf(owner) }
}
