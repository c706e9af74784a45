import { Fault } from '../../../core/fault.ts'
import { hasEnded, type JobRecord } from '../../../jobs/job.ts'
import type { JobAddress, JobQueue } from '../../../jobs/job-queue.ts'
import { cancelJob, isExpired, retryJob } from '../../../jobs/transitions.ts'
import type { ChangeQueue, PlannedChange } from './change-queue.ts'
import type { JobParts } from './job-parts.ts'
import { readResult } from './job-reads.ts'
import type { StoredJob } from './job-row.ts'
import { decidedMax } from './leased-changes.ts'

/** Changes jobs for their owner. */
export function createOwnerCalls(parts: JobParts, changes: ChangeQueue): Pick<JobQueue, 'cancel' | 'retry'> {
  const withResult = async (stored: StoredJob): Promise<JobRecord> => ({
    ...stored.job,
    result: await readResult(parts, stored),
  })

  /** Changes a job as it stands; `plan` gives undefined where it is to stay as it is. */
  async function changeOwned(
    { id, owner }: JobAddress,
    now: number,
    plan: (from: StoredJob) => PlannedChange | undefined,
  ): Promise<{ readonly job: JobRecord; readonly isChanged: boolean } | undefined> {
    for (let tries = 0; tries < decidedMax; tries += 1) {
      const found = await parts.find(id)
      const isOthers = owner !== undefined && found?.job.owner !== owner
      if (found === undefined || isOthers || isExpired(found.job, now)) return undefined
      const planned = plan(found)
      if (planned === undefined) return { job: await withResult(found), isChanged: false }
      const outcome = await changes.change(planned)
      if ('changed' in outcome) return { job: await withResult(outcome.changed), isChanged: true }
    }
    throw new Fault('store_unavailable', `${parts.postgres.name}: job ${id} changes all the time`)
  }

  return {
    async cancel(address, now, keepMs) {
      const outcome = await changeOwned(address, now, (from) =>
        hasEnded(from.job.status)
          ? undefined
          : { from, ...cancelJob(from.job, now, now + keepMs), lease: null },
      )
      return outcome && { job: outcome.job, cancelled: outcome.isChanged }
    },
    async retry(address, now) {
      const outcome = await changeOwned(address, now, (from) => {
        if (from.job.status !== 'dead' && from.job.status !== 'failed') return undefined
        const transition = retryJob(from.job)
        return { from, ...transition, lease: null, dropsAnswers: transition.job.done === 0 }
      })
      return outcome && { job: outcome.job, retried: outcome.isChanged }
    },
  }
}
