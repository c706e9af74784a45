import type { FaultCode } from '../core/fault.ts'
import type { Problem, RefusalCode } from '../core/refusal.ts'
import type { StoredBytesFull } from '../idempotency/stored-bytes.ts'

/**
 * How a job stands. `failed`: trying again cannot help. `dead`: every attempt failed; it stays,
 * with the reason, until an administrator retries it or it expires.
 */
export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'dead'

export const jobStatuses: readonly JobStatus[] = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'dead',
]

/**
 * Whether a job of this status has ended: nothing happens to it any more, unless a dead one is
 * retried.
 */
export function hasEnded(status: JobStatus): boolean {
  return status !== 'queued' && status !== 'running'
}

/** Whether the text can be a job's id. */
export function isJobId(text: string): boolean {
  return /^job_[0-9A-Za-z]{22}$/.test(text)
}

/** Codes of `docs/reference/errors.md`; `lost` is a job's alone. */
export type JobErrorCode = RefusalCode | FaultCode | 'lost'

/** Why a job did not succeed. */
export interface JobError {
  readonly code: JobErrorCode
  /** A fixed sentence, or what the model said of an input that it refused. */
  readonly detail: string
}

/** Of a job that is dead because its workers died, each time, before they could end it. */
export const jobLost: JobError = Object.freeze({
  code: 'lost',
  detail: 'The work on this job was interrupted too often.',
})

/** Of a job whose stored input is not the one that was written. */
export const inputsDamaged: JobError = Object.freeze({
  code: 'internal',
  detail: 'The stored input of this job was damaged.',
})

/** Of a batch that was to succeed with other than an answer or a problem for each input. */
export const answersMiscounted: JobError = Object.freeze({
  code: 'internal',
  detail: 'The stored answers are not as many as the inputs.',
})

/** Of a job whose answers would go too far beyond the bytes that may be stored. */
export function unstoredError(full: StoredBytesFull): JobError {
  return full === 'bytes_full' ? resultUnstoredByAll : resultUnstored
}

const resultUnstored: JobError = Object.freeze({
  code: 'storage_exhausted',
  detail: 'The result found no room: this owner stores as many bytes of jobs as they may.',
})

const resultUnstoredByAll: JobError = Object.freeze({
  code: 'overloaded',
  detail: 'The result found no room: the server stores as many bytes of jobs as it may.',
})

/** What stands in a batch's result in the place of an input that has no answer. */
export type InputProblem = Omit<Problem, 'request_id'>

/**
 * Answers to the next inputs of a job, in their order; of an input without one, its `InputProblem`.
 */
export interface JobAnswers {
  /** Which input is the first, from 0 on: answers that are stored already are not stored again. */
  readonly from: number
  readonly inputs: number
  /** How many of them have a problem in place of an answer. */
  readonly errors: number
  /** What stands between the brackets of a JSON array of them. */
  readonly text: string
}

/** A call that is to be answered later, as it is accepted. */
export interface NewJob {
  /** `job_` and 22 base62 characters from the CSPRNG. */
  readonly id: string
  /** Of the key that made it. To every other owner the job does not exist. */
  readonly owner: string
  readonly keyId: string
  /** Of the request that made it, and its trace, as `writeOrigin` says; null for neither. */
  readonly requestId: string | null
  /** Name of the model. */
  readonly model: string
  /**
   * `single`: one input, the result is that prediction. `batch`: the result is a list of them, and
   * of problems.
   */
  readonly kind: 'single' | 'batch'
  /** The inputs as JSON, a list. */
  readonly inputs: string
  /** How many inputs there are. */
  readonly total: number
  /** 0 to 9; of one owner's jobs the higher comes first. Never puts an owner before another. */
  readonly priority: number
  /** Attempts after which it is dead, 1 or more. */
  readonly attemptsMax: number
  /** Where to send a webhook when it has ended; null for nowhere. */
  readonly webhook: string | null
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

/** A job as it stands. */
export interface JobRecord extends Omit<NewJob, 'inputs'> {
  readonly status: JobStatus
  /**
   * Grows with every change that anybody can see: the id of an event in `GET /jobs/{id}/events`.
   * From 1 on.
   */
  readonly version: number
  /**
   * How many inputs have their answer or their problem, stored: the next attempt goes on behind
   * them. `total` once it has succeeded.
   */
  readonly done: number
  /** How many of those have a problem. */
  readonly errors: number
  /** How often it was begun, attempts that were handed back unharmed not counted. */
  readonly attempts: number
  /** What is done, as JSON: null until it has ended, and where nothing is. */
  readonly result: string | null
  /** Null unless it has failed or is dead. */
  readonly error: JobError | null
  /** When the last attempt began, milliseconds since the epoch; null where none has. */
  readonly startedAt: number | null
  readonly finishedAt: number | null
  /** When it is forgotten, with its result; null until it has ended. */
  readonly expiresAt: number | null
}

/** As a list, a change or a message shows a job: results may be long. */
export function withoutResult(job: JobRecord): JobRecord {
  return job.result === null ? job : Object.freeze({ ...job, result: null })
}
