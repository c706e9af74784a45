import type { ClaimedJob, JobClaim } from '../../../../jobs/job-queue.ts'
import { endUnread } from '../../../../jobs/transitions.ts'
import type { ChangeQueue } from '../change-queue.ts'
import { unlessDamaged } from '../damaged-row.ts'
import { readAnswers } from '../job-answers.ts'
import { readInputs } from '../job-inputs.ts'
import type { JobParts } from '../job-parts.ts'
import { type JobRow, readJob, type StoredJob } from '../job-row.ts'
import { type PassedJobs, setAside } from './set-aside.ts'

/** A row as a claim gives it; `inputs` are null where they are read for themselves. */
export type ClaimRow = JobRow & { readonly is_due: boolean; readonly inputs: string | null }

/** A job that a claim has leased, before its texts are looked at. */
export interface LeasedJob {
  readonly stored: StoredJob
  readonly inputs: string | null
}

/** Reads what a claim has leased, as far as it is what was written. */
export interface ClaimReads {
  /** The rows as jobs; damaged ones are set aside. */
  readonly readRows: (
    rows: readonly ClaimRow[],
    claim: JobClaim,
    passed: PassedJobs,
  ) => Promise<readonly LeasedJob[]>
  /**
   * The job with its inputs. Undefined where they are not those that were written, for which it has
   * failed, or where it has changed meanwhile.
   */
  readonly readTexts: (
    leased: LeasedJob,
    claim: JobClaim,
    passed: PassedJobs,
  ) => Promise<ClaimedJob | undefined>
}

export function createClaimReads(parts: JobParts, changes: ChangeQueue): ClaimReads {
  const { postgres, known } = parts

  /** The job as it goes on, or anew where its answers are not those that were written. */
  async function withWholeAnswers(stored: StoredJob, until: number): Promise<StoredJob | undefined> {
    const { job, lease, answersHash } = stored
    const read = answersHash === null ? 'whole' : await readAnswers(postgres, stored)
    if (read !== 'damaged') return read === 'whole' ? stored : undefined
    const anew = { ...job, done: 0, errors: 0, version: job.version + 1 }
    const outcome = await changes.change({ from: stored, job: anew, lease, dueAt: until, dropsAnswers: true })
    return 'changed' in outcome ? outcome.changed : undefined
  }

  return {
    async readRows(rows, { now, keepMs }, passed) {
      const leased: LeasedJob[] = []
      const damaged: ClaimRow[] = []
      for (const row of rows) {
        const stored = await unlessDamaged(() => readJob(parts, row))
        if (stored === undefined) damaged.push(row)
        else leased.push({ stored, inputs: row.inputs })
      }
      await setAside(postgres, damaged, now + keepMs, passed)
      return leased
    },
    async readTexts({ stored, inputs: read }, { now, until, keepMs }, { ended }) {
      const inputs = await readInputs(postgres, stored, read)
      if (inputs === undefined) {
        const failed = endUnread(stored.job, now, now + keepMs)
        const outcome = await changes.change({ from: stored, ...failed, lease: null })
        if ('changed' in outcome) ended.push(outcome.changed.job)
        return undefined
      }
      const leased = await withWholeAnswers(stored, until)
      if (leased === undefined) return undefined
      known.note(leased)
      return { ...leased.job, inputs, lease: leased.lease ?? '', answerBytes: leased.answerBytes }
    },
  }
}
