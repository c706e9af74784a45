import { type JobRecord, withoutResult } from '../../jobs/job.ts'
import type { EndedJobQuery, JobPage, JobQuery } from '../../jobs/job-queue.ts'
import type { HeldJob } from './held-job.ts'

/** One page of the jobs, newest first. Looks at all that are given: this store has no index for it. */
export function listJobs(jobs: Iterable<HeldJob>, { status, limit, after, now }: JobQuery): JobPage {
  const found = [...jobs]
    .map(({ record }) => record)
    .filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
    .filter((record) => status === undefined || record.status === status)
    .filter((record) => after === undefined || compare(record, after) > 0)
    .sort(compare)
  return { jobs: found.slice(0, limit).map(withoutResult), hasMore: found.length > limit }
}

/** The jobs that have ended, the newest end first. */
export function listEnded(jobs: Iterable<HeldJob>, { limit, after }: EndedJobQuery): readonly JobRecord[] {
  const placed = (record: JobRecord): Place => ({ createdAt: record.finishedAt ?? 0, id: record.id })
  const last = after === undefined ? undefined : { createdAt: after.finishedAt, id: after.id }
  return [...jobs]
    .map(({ record }) => record)
    .filter(({ finishedAt }) => finishedAt !== null)
    .filter((record) => last === undefined || compare(placed(record), last) > 0)
    .sort((one, other) => compare(placed(one), placed(other)))
    .slice(0, limit)
    .map(withoutResult)
}

type Place = NonNullable<JobQuery['after']>

/** Ids are ASCII, so that JavaScript compares them as databases do. */
function compare(one: Place, other: Place): number {
  if (one.createdAt !== other.createdAt) return other.createdAt - one.createdAt
  if (one.id === other.id) return 0
  return one.id > other.id ? -1 : 1
}
