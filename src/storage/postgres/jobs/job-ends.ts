import type { StoredBytesBounds, StoredBytesFull } from '../../../idempotency/stored-bytes.ts'
import type { JobRecord } from '../../../jobs/job.ts'
import type { AttemptEnd, ExtendOutcome, JobProgress, JobQueue } from '../../../jobs/job-queue.ts'
import { addAnswers, beginAnew, endAttempt, failUnstored } from '../../../jobs/transitions.ts'
import type { ChangeQueue, PlannedChange } from './change-queue.ts'
import { type EncodedAnswers, encodeAnswers } from './encode-answers.ts'
import type { JobParts } from './job-parts.ts'
import type { StoredJob } from './job-row.ts'
import { createLeasedChanges } from './leased-changes.ts'

/** Changes jobs by their lease. */
export function createAttemptCalls(
  parts: JobParts,
  changes: ChangeQueue,
): Pick<JobQueue, 'extend' | 'settle'> {
  const leased = createLeasedChanges(parts, changes)

  async function extendOne(
    progress: JobProgress,
    until: number,
    bounds: StoredBytesBounds,
  ): Promise<'lost' | StoredBytesFull | undefined> {
    const encoded = await encodeAnswers(progress.answers ?? [], parts)
    try {
      const extended = await leased.change(progress, (from, full) => {
        const { job, added } = addAnswers(from.job, full === undefined ? progress.answers : [])
        const version = from.job.version + (job.done === from.job.done ? 0 : 1)
        const { lease } = progress
        return { from, job: { ...job, version }, lease, dueAt: until, added: encoded.take(added), bounds }
      })
      return extended === undefined ? 'lost' : extended.full
    } finally {
      await encoded.drop()
    }
  }

  async function settleOne(
    attempt: AttemptEnd,
    now: number,
    bounds: StoredBytesBounds,
  ): Promise<JobRecord | undefined> {
    const encoded = await encodeAnswers(attempt.answers ?? [], parts)
    try {
      const settled = await leased.change(attempt, (from, full) =>
        planEnd(from, full, attempt, now, encoded.take, bounds),
      )
      return settled?.changed.job
    } finally {
      await encoded.drop()
    }
  }

  return {
    async extend(leases, until, bounds) {
      const outcomes = await inOrderByJob(leases, (progress) => extendOne(progress, until, bounds))
      const lost: string[] = []
      const unstored: { id: string; full: StoredBytesFull }[] = []
      for (const [index, { id }] of leases.entries()) {
        const outcome = outcomes[index]
        if (outcome === 'lost') lost.push(id)
        else if (outcome !== undefined) unstored.push({ id, full: outcome })
      }
      return { lost, unstored } satisfies ExtendOutcome
    },
    async settle(ends, now, bounds) {
      const settled = await inOrderByJob(ends, (attempt) => settleOne(attempt, now, bounds))
      return { settled: settled.flatMap((job) => job ?? []) }
    },
  }
}

/** Those of one job one after another, in their order; jobs side by side. */
function inOrderByJob<Change extends JobProgress, Result>(
  changes: readonly Change[],
  run: (change: Change) => Promise<Result>,
): Promise<Result[]> {
  const latest = new Map<string, Promise<Result>>()
  return Promise.all(
    changes.map((change) => {
      const before = latest.get(change.id)
      const result = before === undefined ? run(change) : before.then(() => run(change))
      latest.set(change.id, result)
      return result
    }),
  )
}

function planEnd(
  from: StoredJob,
  full: StoredBytesFull | undefined,
  attempt: AttemptEnd,
  now: number,
  encoded: (added: JobProgress['answers'] & object) => EncodedAnswers,
  bounds: StoredBytesBounds,
): PlannedChange {
  const answered = addAnswers(from.job, full === undefined ? attempt.answers : [])
  const added = encoded(answered.added)
  const end = full === undefined || attempt.end === 'failed' ? attempt : failUnstored(attempt, full)
  const isMiscounted =
    end.end === 'succeeded' &&
    from.job.kind === 'batch' &&
    from.answerValues + added.values !== from.job.total
  if (isMiscounted) {
    const again = endAttempt({ ...from.job, done: 0, errors: 0 }, beginAnew(attempt, now), now)
    return { from, ...again, lease: null, dropsAnswers: true }
  }
  return { from, ...endAttempt(answered.job, end, now), lease: null, added, bounds }
}
