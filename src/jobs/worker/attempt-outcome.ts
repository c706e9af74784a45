import { Fault } from '../../core/fault.ts'
import { classify, sentenceOf } from '../../core/problem.ts'
import { Refusal } from '../../core/refusal.ts'
import type { JobError } from '../job.ts'

/** What an attempt came to. */
export type AttemptOutcome =
  | { readonly end: 'succeeded' }
  | { readonly end: 'failed'; readonly error: JobError }
  /** The fault is for the log; the error is shown to the job's owner. */
  | { readonly end: 'retry'; readonly error: JobError; readonly fault: unknown }
  /** It gives way to another owner's job. */
  | { readonly end: 'released' }

/** What would come again ends the job; all else may pass. */
export function outcomeOf(thrown: unknown): AttemptOutcome {
  const known = classify(thrown)
  const detail = known instanceof Refusal ? known.message : sentenceOf(known)
  const error = { code: known.code, detail }
  return comesAgain(known) ? { end: 'failed', error } : { end: 'retry', error, fault: thrown }
}

/** A refusal is about the input, which stays as it is; so is a fault with a sentence of its own. */
export function comesAgain(thrown: unknown): thrown is Refusal | Fault {
  return thrown instanceof Refusal || (thrown instanceof Fault && thrown.detail !== undefined)
}

/** For how long it makes no sense to try again after what was thrown, in milliseconds. */
export function leastWaitMs(thrown: unknown): number {
  return thrown instanceof Fault ? (thrown.retryAfterSeconds ?? 0) * 1_000 : 0
}
