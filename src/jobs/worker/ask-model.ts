import type { Maybe } from '../../core/after.ts'
import { withinDeadline } from '../../core/deadline.ts'
import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import { retryDelayMs } from '../../core/retry-delay.ts'
import { pause, type Scheduler } from '../../core/scheduler.ts'
import type { Span } from '../../telemetry/tracing.ts'
import type { JobUse } from '../job-charges.ts'
import type { RunTurn } from './run-turn.ts'

/** A model as jobs ask it. */
export interface JobModel {
  /** Most inputs of one call, and so of one step of a job's progress. */
  readonly batchMax: number
  /**
   * Characters of JSON with which a call has enough inputs, though always one: for a model that
   * answers on this thread, which everything else waits for. @default any number
   */
  readonly sliceCharactersMax?: number | undefined
  /**
   * How long a call may take where that is more than the jobs' own deadline, in milliseconds.
   * @default the jobs' own
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
   * @throws Refusal `input_invalid` where an input does not fit: of several each is then asked by
   *   itself, and what is refused alone has its problem in the place of its answer
   * @throws Fault `overloaded`: asked again in a while; with a `detail` of its own: as a refusal;
   *   any other: the job is tried again, no sooner than its `retryAfterSeconds`
   */
  readonly predict: (
    inputs: readonly unknown[],
    call: JobModelCall,
  ) => JobModelAnswers | Promise<JobModelAnswers>
}

export type JobModelAnswers = readonly unknown[] | string

/** How a job's call is answered, and when it is given up. */
export interface JobModelCall {
  /** Whose job it is: for a model whose callers wait by turns of their owners. */
  readonly owner: string
  /** The key that made it. */
  readonly keyId: string
  /** Aborts at the deadline, and when the job is cancelled or handed back. */
  readonly signal: AbortSignal
  /** Milliseconds that the model may take. */
  readonly deadlineMs: number
  /** Of this call, for what the model asks by itself. @default it is not traced */
  readonly span?: Span | undefined
  /**
   * For a model that has the call wait for others: called before `predict` returns, it leaves the
   * deadline to the model, to run from where that begins with the call.
   */
  readonly onQueued: () => void
  /** For a model server: what the call has used, whatever comes of its answer. */
  readonly onUsed: (use: JobUse) => void
}

/** Gets what a call has used. */
export type UseListener = Pick<JobModelCall, 'onUsed'>

type AskedCall = Pick<JobModelCall, 'owner' | 'keyId' | 'signal' | 'span' | 'onUsed'>

/** The models that jobs may ask, by name. */
export type JobModels = ReadonlyMap<string, JobModel>

export interface AskOptions {
  readonly scheduler: Scheduler
  /** From 0 on and below 1. */
  readonly random: () => number
  /** How long one call may take, in milliseconds, where the model does not say longer. */
  readonly deadlineMs: number
}

/**
 * Waits of a job whose model is overloaded, which holds its lease meanwhile, and its slot until
 * another owner waits for it: the load passes on to the queue, where it is bounded.
 */
const overloadDelay = { baseMs: 500, capMs: 5_000 }

/**
 * Asks for one slice, and again where the model has too much to do: that is no failing of the job.
 * Rejects with the signal's reason, or that of the turn where the job leaves while it waits.
 */
export async function askModel(
  model: JobModel,
  slice: readonly unknown[],
  call: AskedCall & { readonly turn: RunTurn },
  options: AskOptions,
): Promise<JobModelAnswers> {
  const { signal, turn } = call
  for (let refusals = 1; ; refusals += 1) {
    try {
      signal.throwIfAborted()
      const answers = await askOnce(model, slice, call, options)
      if (isAnswerTo(slice, answers)) return answers
      throw new Fault('model_failed', 'expected one answer per input')
    } catch (thrown) {
      if (signal.aborted) throw thrown
      const known = modelFaultOf(thrown)
      if (known.code !== 'overloaded') throw known
      const delayMs = retryDelayMs(refusals, overloadDelay, options.random)
      await turn.wait((leaving) => pause(options.scheduler, delayMs, AbortSignal.any([signal, leaving])))
    }
  }
}

/** Asks within the deadline, even a model that ignores its signal. */
function askOnce(
  model: JobModel,
  slice: readonly unknown[],
  { owner, keyId, signal, span, onUsed }: AskedCall,
  { scheduler, deadlineMs: ownMs }: AskOptions,
): Maybe<JobModelAnswers> {
  const deadlineMs = Math.max(ownMs, model.deadlineMs ?? 0)
  const call = new AbortController()
  let isQueued = false
  const onQueued = (): void => {
    isQueued = true
  }
  const answers = model.predict(slice, {
    ...{ owner, keyId, signal: call.signal, deadlineMs, span },
    onQueued,
    onUsed,
  })
  // Most answer at once, and need no timer.
  if (!(answers instanceof Promise)) return answers
  return withinDeadline(answers, {
    ...{ name: 'the model of a job', scheduler, signal },
    deadlineMs: isQueued ? Number.POSITIVE_INFINITY : deadlineMs,
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
function isAnswerTo(slice: readonly unknown[], answers: JobModelAnswers): boolean {
  if (typeof answers === 'string') return answers.startsWith('[') && answers.endsWith(']')
  return answers.length === slice.length
}
