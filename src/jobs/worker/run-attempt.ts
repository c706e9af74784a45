import type { Maybe } from '../../core/after.ts'
import { withinDeadline } from '../../core/deadline.ts'
import { Fault } from '../../core/fault.ts'
import { classify, sentenceOf } from '../../core/problem.ts'
import { Refusal } from '../../core/refusal.ts'
import { orAbort, pause, type Scheduler } from '../../core/scheduler.ts'
import type { JobError } from '../job.ts'
import type { ClaimedJob } from '../job-queue.ts'
import { inputSlices } from './input-slices.ts'
import { retryDelayMs } from './retry-delay.ts'
import type { Semaphore } from './semaphore.ts'

/** A model as jobs ask it. */
export interface JobModel {
  /** Most inputs of one call, and so of one step of a job's progress. */
  readonly batchMax: number
  /**
   * Longest that a call may take, in milliseconds; then it is aborted, and the job is tried again.
   * @default 300,000
   */
  readonly deadlineMs?: number
  /**
   * Most inputs of jobs that it is asked at once, though always a slice, and most of its jobs that
   * one process works on at once: as many as keep it busy, and not so many that requests wait
   * behind them. @default 128
   */
  readonly concurrency?: number | undefined
  /**
   * One answer per input, in order, each as it is to stand in the job's result: what JSON can
   * write. Or the text of a JSON array of them, which is taken as it is.
   *
   * @throws Refusal `input_invalid` where an input does not fit; the job has failed then
   * @throws Fault `overloaded`: asked again in a while; with a `detail` of its own: the job has
   *   failed; any other: the job is tried again
   */
  readonly predict: (
    inputs: readonly unknown[],
    call: { readonly signal: AbortSignal },
  ) => readonly unknown[] | string | Promise<readonly unknown[] | string>
}

type Answers = readonly unknown[] | string

/** The models that jobs may ask, by name. */
export type JobModels = ReadonlyMap<string, JobModel>

export interface AttemptOptions {
  /** Where inputs wait for room in a model. */
  readonly semaphoreOf: (name: string, model: JobModel) => Semaphore
  readonly scheduler: Scheduler
  /** From 0 on and below 1. */
  readonly random: () => number
  /** Longest result, in bytes of JSON. */
  readonly resultBytesMax: number
}

/** What an attempt came to. */
export type AttemptOutcome =
  | { readonly end: 'succeeded'; readonly result: string }
  | { readonly end: 'failed'; readonly error: JobError }
  /** The fault is for the log; the error is shown to the job's owner. */
  | { readonly end: 'retry'; readonly error: JobError; readonly fault: unknown }

/**
 * Waits of a job whose model is overloaded, which holds its lease and its slot meanwhile: the load
 * passes on to the queue, where it is bounded.
 */
const overloadDelay = { baseMs: 500, capMs: 5_000 }

/**
 * Works through a job's inputs in slices. Between them everything else in this process has its
 * turn, so that a model which answers at once does not hold up ten thousand inputs' worth of other
 * requests.
 *
 * Rejects with the signal's reason, and with nothing else.
 */
export async function runAttempt(
  job: ClaimedJob,
  model: JobModel,
  call: { readonly signal: AbortSignal; readonly onProgress: (done: number) => void },
  options: AttemptOptions,
): Promise<AttemptOutcome> {
  const semaphore = options.semaphoreOf(job.model, model)
  const { resultBytesMax } = options
  const written: string[] = []
  let room = resultBytesMax
  let done = 0
  try {
    for (const slice of inputSlices(job.inputs, model.batchMax)) {
      const ask = (): Promise<Answers> => askInTurn(model, slice, call.signal, options)
      const text = writeAnswers(await semaphore.run(slice.length, call.signal, ask), room)
      if (text === undefined) return resultTooLarge(resultBytesMax)
      room -= Buffer.byteLength(text) + 1
      written.push(text)
      done += slice.length
      // The end says by itself that all are done.
      if (done < job.total) call.onProgress(done)
    }
  } catch (thrown) {
    call.signal.throwIfAborted()
    return outcomeOf(thrown)
  }
  return { end: 'succeeded', result: job.kind === 'single' ? (written[0] ?? 'null') : `[${written.join()}]` }
}

/**
 * Leaves the model to others a turn of the event loop after it has answered; at once with a single
 * input, for of those a turn has no more than may run.
 */
async function askInTurn(
  model: JobModel,
  slice: readonly unknown[],
  signal: AbortSignal,
  options: AttemptOptions,
): Promise<Answers> {
  const answers = await askModel(model, slice, signal, options)
  if (slice.length > 1) await orAbort(() => options.scheduler.yieldTurn(), signal)
  return answers
}

/**
 * Asks for one slice, and again where the model has too much to do: that is no failing of the job.
 */
async function askModel(
  model: JobModel,
  slice: readonly unknown[],
  signal: AbortSignal,
  { scheduler, random }: AttemptOptions,
): Promise<Answers> {
  for (let refusals = 1; ; refusals += 1) {
    try {
      signal.throwIfAborted()
      const answers = await askOnce(model, slice, signal, scheduler)
      if (isAnswerTo(slice, answers)) return answers
      throw new Fault('model_failed', 'expected one answer per input')
    } catch (thrown) {
      if (signal.aborted) throw thrown
      const known = modelFaultOf(thrown)
      if (known.code !== 'overloaded') throw known
      await pause(scheduler, retryDelayMs(refusals, overloadDelay, random), signal)
    }
  }
}

/** Asks within the model's deadline, even a model that ignores its signal. */
function askOnce(
  model: JobModel,
  slice: readonly unknown[],
  signal: AbortSignal,
  scheduler: Scheduler,
): Maybe<Answers> {
  const { deadlineMs = 300_000 } = model
  const call = new AbortController()
  const answers = model.predict(slice, { signal: call.signal })
  // Most answer at once, and need no timer.
  if (!(answers instanceof Promise)) return answers
  return withinDeadline(answers, {
    ...{ name: 'the model of a job', deadlineMs, scheduler, signal },
    onGiveUp: (reason) => call.abort(reason),
  })
}

/**
 * Whatever else a model throws, an application's own among them, is its failure and no defect of
 * ours.
 */
function modelFaultOf(thrown: unknown): Fault | Refusal {
  if (thrown instanceof Fault || thrown instanceof Refusal) return thrown
  return new Fault('model_failed', 'the model of a job threw', { cause: thrown })
}

/** The answers within a text are not counted: that would be to read it. */
function isAnswerTo(slice: readonly unknown[], answers: Answers): boolean {
  if (typeof answers === 'string') return answers.startsWith('[') && answers.endsWith(']')
  return answers.length === slice.length
}

/** Answers as JSON, commas between them; undefined where that is longer. */
function writeAnswers(answers: Answers, bytesMax: number): string | undefined {
  if (typeof answers === 'string')
    return Buffer.byteLength(answers) - 2 < bytesMax ? answers.slice(1, -1) : undefined
  const texts: string[] = []
  let bytes = 0
  for (const answer of answers) {
    // What JSON has no word for is null, as within an array.
    const text = JSON.stringify(answer) ?? 'null'
    bytes += Buffer.byteLength(text) + 1
    if (bytes > bytesMax) return undefined
    texts.push(text)
  }
  return texts.join()
}

function resultTooLarge(bytesMax: number): AttemptOutcome {
  return {
    end: 'failed',
    error: { code: 'model_failed', detail: `The result is larger than ${bytesMax} bytes.` },
  }
}

/**
 * A refusal is about the input, which stays as it is, and a fault with a sentence of its own would
 * come again; all else may pass.
 */
export function outcomeOf(thrown: unknown): AttemptOutcome {
  const known = classify(thrown)
  if (known instanceof Refusal) return { end: 'failed', error: { code: known.code, detail: known.message } }
  const error = { code: known.code, detail: sentenceOf(known) }
  return known.detail === undefined ? { end: 'retry', error, fault: thrown } : { end: 'failed', error }
}
