import type { Fault } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import { unstoredError } from '../job.ts'
import type { ClaimedJob } from '../job-queue.ts'
import type { JobModel } from './ask-model.ts'
import { askForSlice, isLate, type SliceCall, type SliceOptions } from './ask-slice.ts'
import { AttemptAnswers } from './attempt-answers.ts'
import { type AttemptOutcome, comesAgain, outcomeOf } from './attempt-outcome.ts'
import type { HeldAnswers } from './held-answers.ts'
import { InputReader } from './input-reader.ts'
import { LeftInputs } from './left-inputs.ts'

export interface AttemptOptions extends SliceOptions {
  /** Longest result, in bytes of JSON. */
  readonly resultBytesMax: number
}

/** One attempt under way. */
export interface AttemptCall extends SliceCall {
  /** Gets the answers. */
  readonly held: HeldAnswers
  readonly onProgress: () => void
}

/**
 * Works through the inputs of a job that have no stored answer, in slices. Between them everything
 * else in this process has its turn, so that a model which answers at once does not hold up ten
 * thousand inputs' worth of other requests.
 *
 * A model refuses a slice as a whole: its halves are asked for, and theirs, until what is refused
 * is one input, which has that problem in its place. A failure may pass, so the job is tried again;
 * in the last attempt the slice is halved likewise. Each half is a slice like any other: the job
 * can be cancelled before it, and gives way.
 *
 * Rejects with the signal's reason, and with nothing else.
 */
export async function runAttempt(
  job: ClaimedJob,
  model: JobModel,
  call: AttemptCall,
  options: AttemptOptions,
): Promise<AttemptOutcome> {
  const { signal } = call
  try {
    const reader = new InputReader(job.inputs)
    await reader.skip(job.done, async () => {
      await options.scheduler.yieldTurn()
      signal.throwIfAborted()
    })
    return await askForAll(job, model, new LeftInputs(reader, model), call, options)
  } catch (thrown) {
    signal.throwIfAborted()
    return outcomeOf(thrown)
  }
}

async function askForAll(
  job: ClaimedJob,
  model: JobModel,
  left: LeftInputs,
  call: AttemptCall,
  options: AttemptOptions,
): Promise<AttemptOutcome> {
  const { turn, held, onProgress } = call
  const answers = new AttemptAnswers(job, held, options.resultBytesMax)
  for (let slice = left.take(); slice !== undefined; slice = left.take()) {
    // Not before something is done: a job whose beginning takes a turn would get nowhere.
    if (held.done > job.done && turn.isOver()) return { end: 'released' }
    const { done } = held
    const outcome = await askForSlice(job, model, slice, call, options)
    if (outcome === 'left') return { end: 'released' }
    const end =
      'text' in outcome
        ? answers.add({ text: outcome.text, inputs: slice.length, errors: 0 })
        : notAnswered(slice, outcome.thrown, left, answers)
    if (end !== undefined) return end
    if (held.full !== undefined) return { end: 'failed', error: unstoredError(held.full) }
    // The end says by itself that all are done.
    if (held.done > done && held.done < job.total) onProgress()
  }
  return answers.end()
}

/** Halves what is more than one input. Gives the attempt's end where the model is at fault. */
function notAnswered(
  slice: readonly unknown[],
  thrown: Refusal | Fault,
  left: LeftInputs,
  answers: AttemptAnswers,
): AttemptOutcome | undefined {
  const tookTooLong = isLate(thrown)
  if (slice.length > 1) {
    if (tookTooLong) left.shorten(slice)
    else left.halve(slice)
    return undefined
  }
  if (tookTooLong) left.lengthen()
  return comesAgain(thrown) ? answers.addRefusal(thrown) : answers.addFailure(thrown)
}
