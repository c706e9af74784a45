import { Fault } from '../../../core/fault.ts'
import type { StoredBytesFull } from '../../../idempotency/stored-bytes.ts'
import type { JobProgress } from '../../../jobs/job-queue.ts'
import type { ChangeQueue, PlannedChange } from './change-queue.ts'
import { unlessDamaged } from './damaged-row.ts'
import type { JobParts } from './job-parts.ts'
import type { StoredJob } from './job-row.ts'

/** How often a change is decided anew, because the job stood otherwise each time. */
export const decidedMax = 10

/** Changes of jobs by the holder of their lease. */
export interface LeasedChanges {
  /**
   * Decides and writes until it is written; undefined where the lease is lost. A damaged row is as
   * lost to its attempt: it holds up no other of the call.
   *
   * @param plan gets as `full` why its answers were not stored, if they were not
   */
  readonly change: (
    leased: JobProgress,
    plan: (from: StoredJob, full: StoredBytesFull | undefined) => PlannedChange,
  ) => Promise<{ readonly changed: StoredJob; readonly full: StoredBytesFull | undefined } | undefined>
}

export function createLeasedChanges(
  { postgres, known, find }: JobParts,
  changes: ChangeQueue,
): LeasedChanges {
  return {
    async change({ id, lease }, plan) {
      const leased = known.find(lease)
      let from = leased?.job.id === id ? leased : await unlessDamaged(() => find(id))
      let full: StoredBytesFull | undefined
      for (let tries = 0; tries < decidedMax; tries += 1) {
        if (from?.lease !== lease) return undefined
        const planned = planOr(plan, from, full)
        const outcome = 'fault' in planned ? undefined : await changes.change(planned)
        if (outcome !== undefined && 'changed' in outcome) return { changed: outcome.changed, full }
        if (outcome !== undefined && outcome.outcome !== 'stale') {
          full = outcome.outcome
          continue
        }
        const read: StoredJob | undefined = await unlessDamaged(() => find(id))
        // What does not fit the job as it is never will.
        if ('fault' in planned && read?.job.version === from.job.version) throw planned.fault
        from = read
      }
      throw new Fault('store_unavailable', `${postgres.name}: job ${id} changes all the time`)
    },
  }
}

/** Answers may not fit a job that another process has worked on meanwhile. */
function planOr(
  plan: Parameters<LeasedChanges['change']>[1],
  from: StoredJob,
  full: StoredBytesFull | undefined,
): PlannedChange | { readonly fault: unknown } {
  try {
    return plan(from, full)
  } catch (fault) {
    return { fault }
  }
}
