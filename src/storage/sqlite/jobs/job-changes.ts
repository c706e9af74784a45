import { hasEnded, type JobRecord, withoutResult } from '../../../jobs/job.ts'
import type { JobProgress, JobSubmission } from '../../../jobs/job-queue.ts'
import { cancelJob, endAttempt, retryJob } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobAnswers } from './job-answers.ts'
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

  function isFull({ jobs: added, bounds }: JobSubmission): boolean {
    if ((countAll.get()?.count ?? 0) + added.length > bounds.jobsMax) return true
    const owners = Map.groupBy(added, ({ owner }) => owner)
    for (const [owner, { length }] of owners)
      if ((countOwned.get(owner)?.count ?? 0) + length > bounds.ownerJobsMax) return true
    return false
  }

  return (submission) => {
    const { answer } = submission
    // Another process may have taken the request over: these jobs would be a second set for it.
    if (answer !== undefined && !answers.isReserved(answer)) return { outcome: 'unreserved' }
    if (isFull(submission)) return { outcome: 'full' }
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
export function createAttemptChanges({
  jobs,
  changes,
  end,
}: JobParts): Pick<SyncCalls<JobWrites>, 'extend' | 'settle'> {
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

  return {
    extend: (leases, until) => leases.filter((lease) => !extendOne(lease, until)).map(({ id }) => id),
    settle(ends, now) {
      const settled: JobRecord[] = []
      for (const attempt of ends) {
        const leased = findLeased(attempt.id, attempt.lease)
        if (leased === undefined) continue
        const transition = endAttempt(leased.job, attempt, now)
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
