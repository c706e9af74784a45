import { classify, sentenceOf } from '../../core/problem.ts'
import { Refusal } from '../../core/refusal.ts'
import { type JobError, unstoredError } from '../job.ts'
import type { ClaimedJob } from '../job-queue.ts'
import { answerSlice, comesAgain } from './answer-slice.ts'
import type { AskOptions, JobModel } from './ask-model.ts'
import type { HeldAnswers, SliceAnswers } from './held-answers.ts'
import { inputSlices } from './input-slices.ts'
import type { RunTurn } from './run-turn.ts'
import type { Semaphore } from './semaphore.ts'

export interface AttemptOptions extends AskOptions {
  /** Where inputs wait for room in a model. */
  readonly semaphoreOf: (name: string, model: JobModel) => Semaphore
  /** Longest result, in bytes of JSON. */
  readonly resultBytesMax: number
}

/** What an attempt came to. */
export type AttemptOutcome =
  | { readonly end: 'succeeded' }
  | { readonly end: 'failed'; readonly error: JobError }
  /** The fault is for the log; the error is shown to the job's owner. */
  | { readonly end: 'retry'; readonly error: JobError; readonly fault: unknown }
  /** It gives way to another owner's job. */
  | { readonly end: 'released' }

/** One attempt under way. */
export interface AttemptCall {
  readonly signal: AbortSignal
  readonly turn: RunTurn
  /** Gets the answers. */
  readonly held: HeldAnswers
  readonly onProgress: () => void
}

/**
 * Works through the inputs of a job that have no stored answer, in slices. Between them everything
 * else in this process has its turn, so that a model which answers at once does not hold up ten
 * thousand inputs' worth of other requests.
 *
 * Rejects with the signal's reason, and with nothing else.
 */
export async function runAttempt(
  job: ClaimedJob,
  model: JobModel,
  call: AttemptCall,
  options: AttemptOptions,
): Promise<AttemptOutcome> {
  const { signal, turn, held } = call
  let room = options.resultBytesMax - job.answerBytes
  let { errors } = job
  let lastProblem: string | undefined
  try {
    for (const slice of inputSlices(job.inputs, model.batchMax, job.done)) {
      if (turn.isOver()) return { end: 'released' }
      const answers = await answerInTurn(job, model, slice, call, options)
      if (answers === undefined) return { end: 'released' }
      for (const answer of answers) {
        room -= Buffer.byteLength(answer.text) + 1
        if (room < 0) return resultTooLarge(options.resultBytesMax)
        held.add(answer)
        errors += answer.errors
        if (answer.errors > 0) lastProblem = answer.text
      }
      if (held.full !== undefined) return { end: 'failed', error: unstoredError(held.full) }
      // The end says by itself that all are done.
      if (held.done < job.total) call.onProgress()
    }
  } catch (thrown) {
    signal.throwIfAborted()
    return outcomeOf(thrown)
  }
  return errors === job.total && lastProblem !== undefined
    ? nothingAnswered(lastProblem)
    : { end: 'succeeded' }
}

/** Undefined where the job gives way before the model has room for it. */
async function answerInTurn(
  job: ClaimedJob,
  model: JobModel,
  slice: readonly unknown[],
  { signal, turn }: AttemptCall,
  options: AttemptOptions,
): Promise<readonly SliceAnswers[] | undefined> {
  const semaphore = options.semaphoreOf(job.model, model)
  turn.beginWaiting()
  try {
    return await semaphore.run(slice.length, AbortSignal.any([signal, turn.leaving]), () => {
      turn.endWaiting()
      return answerSlice(job, model, slice, signal, options)
    })
  } catch (thrown) {
    if (turn.leaving.aborted && !signal.aborted) return undefined
    throw thrown
  } finally {
    turn.endWaiting()
  }
}

function resultTooLarge(bytesMax: number): AttemptOutcome {
  return {
    end: 'failed',
    error: { code: 'model_failed', detail: `The result is larger than ${bytesMax} bytes.` },
  }
}

/** A batch without a single answer has failed; what its last input says stands for all. */
function nothingAnswered(problem: string): AttemptOutcome {
  const { code, detail } = JSON.parse(problem) as JobError
  return { end: 'failed', error: { code, detail } }
}

/** What would come again ends the job; all else may pass. */
export function outcomeOf(thrown: unknown): AttemptOutcome {
  const known = classify(thrown)
  const detail = known instanceof Refusal ? known.message : sentenceOf(known)
  const error = { code: known.code, detail }
  return comesAgain(known) ? { end: 'failed', error } : { end: 'retry', error, fault: thrown }
}
