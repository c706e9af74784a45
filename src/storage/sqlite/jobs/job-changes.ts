import type { StoredBytesBounds, StoredBytesFull } from '../../../idempotency/stored-bytes.ts'
import { hasEnded, type JobRecord, withoutResult } from '../../../jobs/job.ts'
import type { AttemptEnd, JobProgress, JobSubmission, SubmitOutcome } from '../../../jobs/job-queue.ts'
import {
  addAnswers,
  beginAnew,
  cancelJob,
  endAttempt,
  failUnstored,
  isExpired,
  retryJob,
} from '../../../jobs/transitions.ts'
import { bytesOfNew } from '../../job-row-bytes.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobAnswers } from './job-answers.ts'
import { createJobBytes } from './job-bytes.ts'
import type { JobWrites, SyncCalls } from './job-calls.ts'
import type { JobParts } from './job-parts.ts'
import type { StoredJob } from './job-row.ts'
import { unlessDamaged } from './row-sums.ts'

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
    // A damaged row is as lost to its attempt: it holds up no other of the call.
    const found = unlessDamaged(() => jobs.find(id))
    return found?.lease === lease ? found : undefined
  }

  /** The job with its new answers, unless they would go too far beyond the bounds. */
  function storeAnswers(
    leased: StoredJob,
    { answers, ...attempt }: JobProgress & { readonly end?: AttemptEnd['end'] },
    bounds: StoredBytesBounds,
  ): { readonly stored: StoredJob; readonly full: StoredBytesFull | undefined } {
    const { job, added } = addAnswers(leased.job, answers)
    if (added.length === 0) return { stored: leased, full: undefined }
    const full = bytes.findFullWithAnswers(leased, added, attempt.end === 'succeeded', bounds)
    if (full !== undefined) return { stored: leased, full }
    return { stored: { ...jobs.addAnswers(leased, added), job }, full }
  }

  /** Fails a job whose answers have no room: they would be asked for again and again. */
  function fitting(attempt: AttemptEnd, full: StoredBytesFull | undefined): AttemptEnd {
    return attempt.end === 'failed' || full === undefined ? attempt : failUnstored(attempt, full)
  }

  function endOne(stored: StoredJob, attempt: AttemptEnd, now: number): JobRecord {
    const isWhole = attempt.end !== 'succeeded' || hasAllAnswers(jobs, stored)
    const ended = isWhole ? stored : jobs.dropAnswers(stored)
    const transition = endAttempt(ended.job, isWhole ? attempt : beginAnew(attempt, now), now)
    end(ended, transition, now)
    return withoutResult(transition.job)
  }

  function extendOne(
    progress: JobProgress,
    until: number,
    bounds: StoredBytesBounds,
  ): 'lost' | StoredBytesFull | undefined {
    const leased = findLeased(progress.id, progress.lease)
    if (leased === undefined) return 'lost'
    const { stored, full } = storeAnswers(leased, progress, bounds)
    const { job } = stored
    const extended = job.done === leased.job.done ? job : { ...job, version: job.version + 1 }
    jobs.extend({ ...stored, job: extended }, until)
    if (extended !== job) changes.note(extended)
    return full
  }

  return {
    extend(leases, until, bounds) {
      const lost: string[] = []
      const unstored: { id: string; full: StoredBytesFull }[] = []
      for (const progress of leases) {
        const outcome = extendOne(progress, until, bounds)
        if (outcome === 'lost') lost.push(progress.id)
        else if (outcome !== undefined) unstored.push({ id: progress.id, full: outcome })
      }
      return { lost, unstored }
    },
    settle(ends, now, bounds) {
      const settled: JobRecord[] = []
      for (const attempt of ends) {
        const leased = findLeased(attempt.id, attempt.lease)
        if (leased === undefined) continue
        const { stored, full } = storeAnswers(leased, attempt, bounds)
        settled.push(endOne(stored, fitting(attempt, full), now))
      }
      return { settled }
    },
  }
}

function hasAllAnswers(jobs: JobParts['jobs'], { place, job }: StoredJob): boolean {
  return job.kind === 'single' || jobs.countAnswers(place) === job.total
}

/** Changes jobs for their owner. */
export function createOwnerChanges({ jobs, end }: JobParts): Pick<SyncCalls<JobWrites>, 'cancel' | 'retry'> {
  function withResult(stored: StoredJob): JobRecord {
    return { ...stored.job, result: jobs.findResult(stored) }
  }

  return {
    cancel(address, now, keepMs) {
      const found = jobs.findOwned(address)
      if (found === undefined || isExpired(found.job, now)) return undefined
      if (hasEnded(found.job.status)) return { job: withResult(found), cancelled: false }
      const transition = cancelJob(found.job, now, now + keepMs)
      end(found, transition, now)
      return { job: withResult({ ...found, job: transition.job }), cancelled: true }
    },
    retry(address, now) {
      const found = jobs.findOwned(address)
      if (found === undefined || isExpired(found.job, now)) return undefined
      if (found.job.status !== 'dead' && found.job.status !== 'failed')
        return { job: withResult(found), retried: false }
      const transition = retryJob(found.job)
      end(transition.job.done === 0 ? jobs.dropAnswers(found) : found, transition, now)
      return { job: transition.job, retried: true }
    },
  }
}
