import type { StoredBytesBounds } from '../../../idempotency/stored-bytes.ts'
import {
  hasEnded,
  type JobRecord,
  resultUnstored,
  resultUnstoredByAll,
  withoutResult,
} from '../../../jobs/job.ts'
import type { AttemptEnd, JobProgress, JobSubmission, SubmitOutcome } from '../../../jobs/job-queue.ts'
import { cancelJob, endAttempt, retryJob } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobAnswers } from './job-answers.ts'
import { bytesOfNew, createJobBytes } from './job-bytes.ts'
import type { JobWrites, SyncCalls } from './job-calls.ts'
import type { JobParts } from './job-parts.ts'
import type { StoredJob } from './job-table.ts'

/** Accepts jobs. */
export function createJobSubmit(
  database: SqliteDatabase,
  { jobs, turns, changes }: JobParts,
  answers: Pick<JobAnswers, 'isReserved' | 'storeAnswer'>,
): SyncCalls<JobWrites>['submit'] {
  const countAll = database.prepare<{ count: number }>(
    'SELECT queued + running AS count FROM totals WHERE id = 1',
  )
  const countOwned = database.prepare<{ count: number }>(
    'SELECT queued + running AS count FROM owners WHERE owner = ?',
  )

  const bytes = createJobBytes(database)

  function findFull({ jobs: added, bounds }: JobSubmission): SubmitOutcome | undefined {
    if ((countAll.get()?.count ?? 0) + added.length > bounds.jobsMax) return { outcome: 'full' }
    const owners = Map.groupBy(added, ({ owner }) => owner)
    for (const [owner, { length }] of owners)
      if ((countOwned.get(owner)?.count ?? 0) + length > bounds.ownerJobsMax) return { outcome: 'full' }
    const sizes = [...owners].map(([owner, jobs]) => [owner, bytesOfNew(jobs)] as const)
    const outcome = bytes.findFull(sizes, bounds)
    return outcome === undefined ? undefined : { outcome }
  }

  return (submission) => {
    const { answer } = submission
    // Another process may have taken the request over: these jobs would be a second set for it.
    if (answer !== undefined && !answers.isReserved(answer)) return { outcome: 'unreserved' }
    const full = findFull(submission)
    if (full !== undefined) return full
    for (const added of submission.jobs) {
      changes.note(jobs.add(added))
      turns.noteReady(added.owner, added.model)
    }
    if (submission.jobs.length > 0) changes.noteReady()
    if (answer !== undefined) answers.storeAnswer(answer)
    return { outcome: 'accepted' }
  }
}

/** Changes jobs by their lease. */
export function createAttemptChanges(
  database: SqliteDatabase,
  { jobs, changes, end }: JobParts,
): Pick<SyncCalls<JobWrites>, 'extend' | 'settle'> {
  const bytes = createJobBytes(database)

  function findLeased(id: string, lease: string): StoredJob | undefined {
    const found = jobs.find(id)
    return found?.lease === lease ? found : undefined
  }

  function extendOne({ id, lease, done }: JobProgress, until: number): boolean {
    const leased = findLeased(id, lease)
    if (leased === undefined) return false
    const { place, job } = leased
    const version = done === job.done ? job.version : job.version + 1
    jobs.extend(place, done, version, until)
    if (done !== job.done) changes.note({ ...job, done, version })
    return true
  }

  /** Fails the job in place of a result that would go too far beyond the bounds. */
  function fitting({ place }: StoredJob, attempt: AttemptEnd, bounds: StoredBytesBounds): AttemptEnd {
    if (attempt.end !== 'succeeded') return attempt
    const full = bytes.findFullWithResult(place, attempt.result, bounds)
    if (full === undefined) return attempt
    const { id, lease, expiresAt } = attempt
    const error = full === 'bytes_full' ? resultUnstoredByAll : resultUnstored
    return { id, lease, end: 'failed', error, expiresAt }
  }

  return {
    extend: (leases, until) => leases.filter((lease) => !extendOne(lease, until)).map(({ id }) => id),
    settle(ends, now, bounds) {
      const settled: JobRecord[] = []
      for (const attempt of ends) {
        const leased = findLeased(attempt.id, attempt.lease)
        if (leased === undefined) continue
        const transition = endAttempt(leased.job, fitting(leased, attempt, bounds), now)
        end(leased, transition, now)
        settled.push(withoutResult(transition.job))
      }
      return { settled }
    },
  }
}

/** Changes jobs for their owner. */
export function createOwnerChanges({ jobs, end }: JobParts): Pick<SyncCalls<JobWrites>, 'cancel' | 'retry'> {
  function findResult({ place, job }: StoredJob): JobRecord {
    return job.status === 'succeeded' ? { ...job, result: jobs.findResult(place) } : job
  }

  return {
    cancel(address, now, keepMs) {
      const found = jobs.findOwned(address)
      if (found === undefined || isExpired(found, now)) return undefined
      if (hasEnded(found.job.status)) return { job: findResult(found), cancelled: false }
      const transition = cancelJob(found.job, now, now + keepMs)
      end(found, transition, now)
      return { job: transition.job, cancelled: true }
    },
    retry(address, now) {
      const found = jobs.findOwned(address)
      if (found === undefined || isExpired(found, now)) return undefined
      if (found.job.status !== 'dead' && found.job.status !== 'failed')
        return { job: findResult(found), retried: false }
      const transition = retryJob(found.job)
      end(found, transition, now)
      return { job: transition.job, retried: true }
    },
  }
}

/** Whether it has expired, though its row may still exist. */
export function isExpired({ job }: StoredJob, now: number): boolean {
  return job.expiresAt !== null && job.expiresAt <= now
}
