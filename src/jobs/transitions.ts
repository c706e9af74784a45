import type { StoredBytesFull } from '../idempotency/stored-bytes.ts'
import {
  answersMiscounted,
  inputsDamaged,
  type JobAnswers,
  type JobRecord,
  type JobStatus,
  jobLost,
  type NewJob,
  unstoredError,
} from './job.ts'
import type { AttemptEnd } from './job-queue.ts'

/**
 * What a job becomes, and when it may be claimed: null for at once, or for never where it has
 * ended.
 */
export interface JobTransition {
  readonly job: JobRecord
  readonly dueAt: number | null
}

/** The job as it is accepted. */
export function acceptJob({ inputs: _, ...job }: NewJob): JobRecord {
  return {
    ...job,
    status: 'queued',
    version: 1,
    done: 0,
    errors: 0,
    attempts: 0,
    result: null,
    error: null,
    startedAt: null,
    finishedAt: null,
    expiresAt: null,
  }
}

/** The job as an attempt begins. */
export function beginAttempt(job: JobRecord, now: number): JobRecord {
  return {
    ...job,
    status: 'running',
    version: job.version + 1,
    attempts: job.attempts + 1,
    startedAt: now,
  }
}

/**
 * The answers that are not stored yet, and the job with them. The same answers may come twice:
 * where the outcome of a commit was not heard, they are sent again.
 */
export function addAnswers(
  job: JobRecord,
  answers: readonly JobAnswers[] = [],
): { readonly job: JobRecord; readonly added: readonly JobAnswers[] } {
  let { done, errors } = job
  const added = answers.filter(({ from }) => from >= done)
  for (const answer of added) {
    if (answer.from !== done || done + answer.inputs > job.total)
      throw new Error(`${job.id}: expected answers from input ${done} on, got ${answer.from}`)
    done += answer.inputs
    errors += answer.errors
  }
  return { job: { ...job, done, errors }, added }
}

/** The job as an attempt ends. */
export function endAttempt(job: JobRecord, end: AttemptEnd, now: number): JobTransition {
  switch (end.end) {
    case 'succeeded':
      return finish({ ...job, done: job.total, error: null }, 'succeeded', now, end.expiresAt)
    case 'failed':
      return finish({ ...job, error: end.error }, 'failed', now, end.expiresAt)
    case 'retry':
      if (job.attempts >= job.attemptsMax)
        return finish({ ...job, error: end.error }, 'dead', now, end.expiresAt)
      return { job: wait(job), dueAt: end.retryAt }
    case 'released':
      return { job: wait({ ...job, attempts: job.attempts - 1 }), dueAt: null }
  }
}

/** A job whose last attempt was lost with its worker. */
export function endLost(job: JobRecord, now: number, expiresAt: number): JobTransition {
  return finish({ ...job, error: jobLost }, 'dead', now, expiresAt)
}

/** A job whose input can no longer be read. */
export function endUnread(job: JobRecord, now: number, expiresAt: number): JobTransition {
  return finish({ ...job, error: inputsDamaged }, 'failed', now, expiresAt)
}

export function cancelJob(job: JobRecord, now: number, expiresAt: number): JobTransition {
  return finish(job, 'cancelled', now, expiresAt)
}

/**
 * A job that has ended, with all of its attempts before it again. Where every input has a problem,
 * nothing is left to go on with: it begins anew.
 */
export function retryJob(job: JobRecord): JobTransition {
  const begun = job.errors === job.total ? { done: 0, errors: 0 } : {}
  return { job: wait({ ...job, ...begun, attempts: 0, error: null }), dueAt: null }
}

function finish(job: JobRecord, status: JobStatus, finishedAt: number, expiresAt: number): JobTransition {
  return { job: { ...job, status, version: job.version + 1, finishedAt, expiresAt }, dueAt: null }
}

function wait(job: JobRecord): JobRecord {
  return {
    ...job,
    status: 'queued',
    version: job.version + 1,
    finishedAt: null,
    expiresAt: null,
  }
}

/** Whether another attempt may follow, by an administrator's retry too: the inputs are kept. */
export function needsInputs(status: JobStatus): boolean {
  return status !== 'succeeded' && status !== 'cancelled'
}

/** Whether it has expired, though it may still be stored. */
export function isExpired({ expiresAt }: JobRecord, now: number): boolean {
  return expiresAt !== null && expiresAt <= now
}

/** The end of an attempt whose answers have no room: they would be asked for again and again. */
export function failUnstored({ id, lease, expiresAt }: AttemptEnd, full: StoredBytesFull): AttemptEnd {
  return { id, lease, end: 'failed', error: unstoredError(full), expiresAt }
}

/** The end of an attempt whose answers are not as many as its inputs. */
export function beginAnew({ id, lease, expiresAt }: AttemptEnd, now: number): AttemptEnd {
  return { id, lease, end: 'retry', error: answersMiscounted, retryAt: now, expiresAt }
}
