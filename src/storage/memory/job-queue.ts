import { randomUUID } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import { hasEnded, type JobRecord, withoutResult } from '../../jobs/job.ts'
import type {
  AttemptEnd,
  ClaimedJob,
  ClaimOutcome,
  JobAddress,
  JobClaim,
  JobProgress,
  JobQueue,
  JobSubmission,
  SubmitOutcome,
} from '../../jobs/job-queue.ts'
import {
  beginAttempt,
  cancelJob,
  endAttempt,
  type JobTransition,
  parkLost,
  retryJob,
} from '../../jobs/transitions.ts'
import type { HeldJob } from './held-job.ts'
import type { JobAnswers } from './job-answers.ts'
import { listEnded, listJobs } from './job-listing.ts'
import type { JobOutbox } from './job-outbox.ts'
import type { JobTable } from './job-table.ts'
import { createJobWatch, type JobWatch } from './job-watch.ts'

/** What one change of the queue reaches. */
interface Parts {
  readonly table: JobTable
  readonly answers: JobAnswers
  readonly outbox: JobOutbox
  readonly watch: JobWatch
}

type Run = <T>(work: () => T) => Promise<T>

/** @param run runs one call: what it throws rejects the promise */
export function createJobQueue(given: Omit<Parts, 'watch'>, run: Run): JobQueue {
  const parts = { ...given, watch: createJobWatch() }
  const { table } = parts
  return {
    submit: (submission) => run(() => submit(parts, submission)),
    claim: (ask) => run(() => claim(parts, ask)),
    extend: (leases, until) => run(() => extend(parts, leases, until)),
    settle: (ends, now) => run(() => settle(parts, ends, now)),
    cancel: (id, now, keepMs) => run(() => cancel(parts, id, now, keepMs)),
    retry: (id, now) => run(() => retry(parts, id, now)),
    findJob: (id, now) => run(() => table.find(id, now)?.record),
    listJobs: (query) => run(() => listJobs(table.list(query.owner), query)),
    listEnded: (query) => run(() => listEnded(table.list(undefined), query)),
    forgetExpired: (now, max) => run(() => forgetExpired(parts, now, max)),
    countJobs: () =>
      run(() => {
        const running = table.countRunning()
        return { queued: table.countOpen() - running, running }
      }),
    watch: parts.watch.watch,
  }
}

function submit(parts: Parts, { jobs, answer, bounds }: JobSubmission): SubmitOutcome {
  const { table, answers, watch } = parts
  if (answer !== undefined && !answers.isHeld(answer)) return { outcome: 'unreserved' }
  const owners = Map.groupBy(jobs, ({ owner }) => owner)
  const isFull =
    table.countOpen() + jobs.length > bounds.jobsMax ||
    [...owners].some(([owner, added]) => table.countOpen(owner) + added.length > bounds.ownerJobsMax)
  if (isFull) return { outcome: 'full' }
  const ids = new Set(jobs.map(({ id }) => id))
  if (ids.size < jobs.length || jobs.some(({ id }) => table.has(id)))
    throw new Fault('internal', 'a job of this id is there already')
  const added = jobs.map((job) => table.add(job).record)
  if (answer !== undefined) answers.keep(answer)
  watch.tell(added, added.length > 0)
  return { outcome: 'accepted' }
}

function claim(
  parts: Parts,
  { max, inputCharactersMax = Number.POSITIVE_INFINITY, now, until, models, keepMs }: JobClaim,
): ClaimOutcome {
  const { table, watch } = parts
  const parked = table.wake(now).map((job) => {
    end(parts, job, parkLost(job.record, now, now + keepMs), now)
    return withoutResult(job.record)
  })
  const claimed: ClaimedJob[] = []
  const running: JobRecord[] = []
  let inputCharacters = 0
  while (claimed.length < max && inputCharacters < inputCharactersMax) {
    const job = table.take(models)
    if (job === undefined) break
    const lease = randomUUID()
    table.change(job, beginAttempt(job.record, now), { dueAt: until, lease })
    inputCharacters += job.inputs.length
    running.push(job.record)
    claimed.push(Object.freeze({ ...job.record, inputs: job.inputs, lease }))
  }
  watch.tell([...parked, ...running], false)
  return { claimed, parked }
}

function extend({ table, watch }: Parts, leases: readonly JobProgress[], until: number): string[] {
  const changed: JobRecord[] = []
  const lost: string[] = []
  for (const { id, lease, done } of leases) {
    const job = table.findLeased(id, lease)
    if (job === undefined) lost.push(id)
    else if (job.record.done === done) table.hold(job, until)
    else {
      table.change(job, { ...job.record, done, version: job.record.version + 1 }, { dueAt: until, lease })
      changed.push(job.record)
    }
  }
  watch.tell(changed, false)
  return lost
}

function settle(parts: Parts, ends: readonly AttemptEnd[], now: number): { settled: JobRecord[] } {
  const settled: JobRecord[] = []
  for (const attempt of ends) {
    const job = parts.table.findLeased(attempt.id, attempt.lease)
    if (job === undefined) continue
    end(parts, job, endAttempt(job.record, attempt, now), now)
    settled.push(withoutResult(job.record))
  }
  parts.watch.tell(
    settled,
    settled.some(({ status }) => status === 'queued'),
  )
  return { settled }
}

function cancel(
  parts: Parts,
  id: JobAddress,
  now: number,
  keepMs: number,
): { job: JobRecord; cancelled: boolean } | undefined {
  const job = parts.table.find(id, now)
  if (job === undefined) return undefined
  if (hasEnded(job.record.status)) return { job: job.record, cancelled: false }
  end(parts, job, cancelJob(job.record, now, now + keepMs), now)
  parts.watch.tell([job.record], false)
  return { job: job.record, cancelled: true }
}

function retry(parts: Parts, id: JobAddress, now: number): { job: JobRecord; retried: boolean } | undefined {
  const job = parts.table.find(id, now)
  if (job === undefined) return undefined
  const { status } = job.record
  if (status !== 'parked' && status !== 'failed') return { job: job.record, retried: false }
  end(parts, job, retryJob(job.record), now)
  parts.watch.tell([job.record], true)
  return { job: job.record, retried: true }
}

/** Puts down what became of a job that somebody worked on or waited for: its lease is over. One that has ended is told to its webhook. */
function end(
  { table, outbox }: Parts,
  job: HeldJob,
  { job: record, dueAt }: JobTransition,
  now: number,
): void {
  table.change(job, record, { dueAt, lease: null })
  if (hasEnded(record.status)) outbox.put(record, now)
}

function forgetExpired({ table, answers, outbox }: Parts, now: number, max: number): number {
  let forgotten = 0
  while (forgotten < max) {
    const job = table.forgetOne(now)
    if (job === undefined) break
    outbox.forgetJob(job.record.id)
    forgotten += 1
  }
  while (forgotten < max && answers.forgetOne(now)) forgotten += 1
  return forgotten
}
