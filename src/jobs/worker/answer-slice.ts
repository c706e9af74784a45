import { Fault } from '../../core/fault.ts'
import { problemOf } from '../../core/problem.ts'
import { Refusal } from '../../core/refusal.ts'
import { orAbort } from '../../core/scheduler.ts'
import type { ClaimedJob } from '../job-queue.ts'
import { type AskOptions, askModel, type JobModel, type JobModelAnswers } from './ask-model.ts'
import { problemAnswer, type SliceAnswers } from './held-answers.ts'

/**
 * Answers the inputs of a slice, each with its own problem where it has no answer.
 *
 * A model refuses a slice as a whole: its halves are asked, and theirs, until what is refused is
 * one input. A failure may pass, so the job is tried again; in the last attempt the slice is halved
 * likewise, and what fails by itself has a problem in its place where the model answers others of
 * the slice. Where it answers none, the model is at fault, and the job is tried no more.
 *
 * @throws what the model threw, where the job is to end or to be tried again; the signal's reason
 */
export async function answerSlice(
  job: Pick<ClaimedJob, 'kind' | 'attempts' | 'attemptsMax'>,
  model: JobModel,
  slice: readonly unknown[],
  signal: AbortSignal,
  options: AskOptions,
): Promise<readonly SliceAnswers[]> {
  const isLast = job.attempts >= job.attemptsMax
  let isAnswered = false
  let failure: unknown

  async function answer(inputs: readonly unknown[]): Promise<readonly SliceAnswers[]> {
    try {
      const answers = await askInTurn(model, inputs, signal, options)
      isAnswered = true
      return [{ text: textOf(answers), inputs: inputs.length, errors: 0 }]
    } catch (thrown) {
      if (signal.aborted || job.kind === 'single' || !isAboutInputs(thrown, isLast)) throw thrown
      if (inputs.length > 1) {
        const middle = Math.ceil(inputs.length / 2)
        return [...(await answer(inputs.slice(0, middle))), ...(await answer(inputs.slice(middle)))]
      }
      if (comesAgain(thrown)) isAnswered = true
      else failure ??= thrown
      const { request_id: _, ...problem } = problemOf(thrown, '').body
      return [problemAnswer(problem)]
    }
  }

  const answers = await answer(slice)
  if (!isAnswered) throw failure
  return answers
}

/**
 * Leaves the model to others a turn of the event loop after it has answered; at once with a single
 * input, for of those a turn has no more than may run.
 */
async function askInTurn(
  model: JobModel,
  slice: readonly unknown[],
  signal: AbortSignal,
  options: AskOptions,
): Promise<JobModelAnswers> {
  const answers = await askModel(model, slice, signal, options)
  if (slice.length > 1) await orAbort(() => options.scheduler.yieldTurn(), signal)
  return answers
}

function isAboutInputs(thrown: unknown, isLast: boolean): thrown is Refusal | Fault {
  return comesAgain(thrown) || (isLast && thrown instanceof Fault && thrown.code === 'model_failed')
}

/** A refusal is about the input, which stays as it is; so is a fault with a sentence of its own. */
export function comesAgain(thrown: unknown): thrown is Refusal | Fault {
  return thrown instanceof Refusal || (thrown instanceof Fault && thrown.detail !== undefined)
}

/** Answers as JSON, commas between them. */
function textOf(answers: JobModelAnswers): string {
  if (typeof answers === 'string') return answers.slice(1, -1)
  // What JSON has no word for is null, as within an array.
  return answers.map((answer) => JSON.stringify(answer) ?? 'null').join()
}
