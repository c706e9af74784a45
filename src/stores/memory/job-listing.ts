import { withoutResult } from '../../core/job.ts'
import type { JobPage, JobQuery } from '../../core/job-queue.ts'
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

type Place = NonNullable<JobQuery['after']>

/** Ids are ASCII, so that JavaScript compares them as databases do. */
function compare(one: Place, other: Place): number {
  if (one.createdAt !== other.createdAt) return other.createdAt - one.createdAt
  if (one.id === other.id) return 0
  return one.id > other.id ? -1 : 1
}
