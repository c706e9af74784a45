import type { Fault } from '../../core/fault.ts'
import { problemOf } from '../../core/problem.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { InputProblem, JobError } from '../job.ts'
import type { ClaimedJob } from '../job-queue.ts'
import { type AttemptOutcome, outcomeOf } from './attempt-outcome.ts'
import type { HeldAnswers, SliceAnswers } from './held-answers.ts'

/**
 * Where a model fails on so many inputs in a row, each asked by itself, it is the model that is at
 * fault. One or two bad inputs beside each other are common; with more, an outage would be told to
 * the client as problems of ever more inputs that are good.
 */
const failuresInRowMax = 3

/**
 * Inputs of an attempt that a model may fail on by themselves: each may have ended a process of the
 * model, or have held it for as long as the deadline is, on its way through all halves of a slice.
 */
const failuresMax = 10

interface FailedInput {
  readonly problem: SliceAnswers
  readonly fault: Fault
}

/** What an attempt has come to: an answer or a problem for each input, in their order. */
export class AttemptAnswers {
  readonly #total: number
  readonly #held: HeldAnswers
  readonly #bytesMax: number
  /** Bytes that are left of the result. */
  #room: number
  #errors: number
  #lastProblem: string | undefined
  /** The latest inputs, where the model failed on each: the model may be at fault, or they. */
  readonly #inDoubt: FailedInput[] = []
  #failures = 0

  /** @param bytesMax longest result, in bytes of JSON */
  constructor(job: ClaimedJob, held: HeldAnswers, bytesMax: number) {
    this.#total = job.total
    this.#held = held
    this.#bytesMax = bytesMax
    this.#room = bytesMax - job.answerBytes
    this.#errors = job.errors
  }

  /** Takes answers of the model. Gives the attempt's end where they are too large. */
  add(answers: SliceAnswers): AttemptOutcome | undefined {
    return this.#keep([...this.#inDoubt.splice(0).map(({ problem }) => problem), answers])
  }

  /** Takes the problem of an input that the model refused by itself. */
  addRefusal(thrown: Refusal | Fault): AttemptOutcome | undefined {
    return this.add(problemAnswer(thrown))
  }

  /**
   * Takes the problem of an input that the model failed on by itself. It is kept once the model has
   * answered another; until then the attempt can end without it, for the model to be asked again.
   */
  addFailure(fault: Fault): AttemptOutcome | undefined {
    this.#failures += 1
    this.#inDoubt.push({ problem: problemAnswer(fault), fault })
    if (this.#inDoubt.length >= failuresInRowMax) return this.#modelFailed()
    if (this.#failures <= failuresMax) return undefined
    const detail = `The model failed on more than ${failuresMax} inputs.`
    return { end: 'retry', error: { code: fault.code, detail }, fault }
  }

  /** The attempt's end, once all inputs were asked. */
  end(): AttemptOutcome {
    if (this.#inDoubt.length > 0 && this.#held.done === 0) return this.#modelFailed()
    const tooLarge = this.#keep(this.#inDoubt.splice(0).map(({ problem }) => problem))
    if (tooLarge !== undefined) return tooLarge
    return this.#errors === this.#total && this.#total > 0
      ? nothingAnswered(this.#lastProblem)
      : { end: 'succeeded' }
  }

  #keep(all: readonly SliceAnswers[]): AttemptOutcome | undefined {
    for (const answers of all) {
      this.#room -= Buffer.byteLength(answers.text) + 1
      if (this.#room < 0) return resultTooLarge(this.#bytesMax)
      this.#held.add(answers)
      this.#errors += answers.errors
      if (answers.errors > 0) this.#lastProblem = answers.text
    }
    return undefined
  }

  #modelFailed(): AttemptOutcome {
    return outcomeOf(this.#inDoubt[0]?.fault)
  }
}

/** A problem in the place of an input's answer. */
function problemAnswer(thrown: Refusal | Fault): SliceAnswers {
  const { request_id: _, ...body } = problemOf(thrown, '').body
  const problem: InputProblem = body
  return { text: JSON.stringify(problem), inputs: 1, errors: 1 }
}

function resultTooLarge(bytesMax: number): AttemptOutcome {
  return {
    end: 'failed',
    error: { code: 'model_failed', detail: `The result is larger than ${bytesMax} bytes.` },
  }
}

/** Of a batch whose problems are all stored: the process was killed before it could end. */
const eachRefused: JobError = { code: 'input_invalid', detail: 'No input has an answer.' }

/** A batch without a single answer has failed; what its last input says stands for all. */
function nothingAnswered(problem: string | undefined): AttemptOutcome {
  if (problem === undefined) return { end: 'failed', error: eachRefused }
  const { code, detail } = JSON.parse(problem) as JobError
  return { end: 'failed', error: { code, detail } }
}
