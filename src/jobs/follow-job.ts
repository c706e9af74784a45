import type { Clock } from '../core/time.ts'
import { hasEnded, type JobRecord } from './job.ts'
import type { JobChanges } from './job-changes.ts'
import type { JobService, JobSnapshot } from './job-service.ts'
import { viewJob } from './view-job.ts'

/**
 * Reads the job that is followed, or refuses with `job_not_found`. In the place of a result of more
 * characters than `resultMax` may stand null.
 */
export type ReadJob = (resultMax?: number) => Promise<JobRecord>

/**
 * How a job stands when it has ended, `waitMs` are over (by a clock that never jumps) or the signal
 * aborts, whichever is first.
 */
export async function awaitJob(
  changes: JobChanges,
  monotonic: Clock,
  id: string,
  read: ReadJob,
  { waitMs = 0, signal }: NonNullable<Parameters<JobService['get']>[2]>,
): Promise<JobRecord> {
  if (waitMs <= 0) return read()
  const until = monotonic() + waitMs
  // Followed before it is read: a change between the two is not missed.
  const following = changes.follow(id)
  try {
    for (;;) {
      const job = await read()
      const leftMs = until - monotonic()
      if (hasEnded(job.status) || leftMs <= 0) return job
      if (!(await following.changed({ waitMs: leftMs, signal }))) return await read()
    }
  } finally {
    following.stop()
  }
}

/**
 * Longest result that a snapshot holds, in characters of JSON. A larger one would stay in memory
 * once per follower, hundreds of times where they read slowly; `get` gives it.
 */
const followedResultMax = 65_536

function withoutLargeResult(job: JobRecord): JobRecord {
  return job.result !== null && job.result.length > followedResultMax ? { ...job, result: null } : job
}

/**
 * The snapshots of a job from `afterVersion` on, until it has ended. Refuses at once where there is
 * no such job.
 */
export async function followJob(
  changes: JobChanges,
  id: string,
  read: ReadJob,
  options: NonNullable<Parameters<JobService['events']>[2]>,
): Promise<AsyncIterable<JobSnapshot>> {
  const { version } = await read(0)
  const { afterVersion = 0, signal } = options
  // A version that the job never had comes from another store: ignored.
  return snapshots(changes, id, read, afterVersion > version ? 0 : afterVersion, signal)
}

/** Follows from the first read on: an iterable that is never read leaves nothing behind. */
async function* snapshots(
  changes: JobChanges,
  id: string,
  read: ReadJob,
  afterVersion: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<JobSnapshot> {
  const following = changes.follow(id)
  try {
    for (let seen = afterVersion; signal?.aborted !== true; ) {
      const job = await read(followedResultMax)
      if (job.version > seen) {
        seen = job.version
        yield { version: job.version, job: viewJob(withoutLargeResult(job)) }
      }
      if (hasEnded(job.status) || !(await following.changed({ signal }))) return
    }
  } finally {
    following.stop()
  }
}
