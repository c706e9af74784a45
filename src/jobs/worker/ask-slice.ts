import { Fault } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import { orAbort } from '../../core/scheduler.ts'
import { duringSpan, type Span } from '../../telemetry/tracing.ts'
import type { ClaimedJob } from '../job-queue.ts'
import {
  type AskOptions,
  askModel,
  type JobModel,
  type JobModelAnswers,
  type UseListener,
} from './ask-model.ts'
import { comesAgain } from './attempt-outcome.ts'
import type { RunTurn } from './run-turn.ts'
import type { Semaphore } from './semaphore.ts'
import type { TurnBudget } from './turn-budget.ts'

export interface SliceOptions extends AskOptions {
  /** Where inputs wait for room in a model. */
  readonly semaphoreOf: (name: string, model: JobModel) => Semaphore
  /** Of all models. */
  readonly turnBudget: TurnBudget
}

/** What all slices of an attempt share. */
export interface SliceCall extends UseListener {
  readonly signal: AbortSignal
  readonly turn: RunTurn
  /** Begins the span of a call of the model. @default none: it is not traced */
  readonly beginSpan?: (() => Span | undefined) | undefined
}

/** What a model says to a slice. */
export type SliceOutcome =
  /** As JSON, commas between the answers. */
  | { readonly text: string }
  /** Some of the inputs are refused, or fail: others of them may not. */
  | { readonly thrown: Refusal | Fault }
  /** The job gives way before the model has said anything. */
  | 'left'

/**
 * Asks the model for a slice once it has room.
 *
 * @throws what the model threw, where that is not about the inputs; the signal's reason
 */
export async function askForSlice(
  job: ClaimedJob,
  model: JobModel,
  slice: readonly unknown[],
  call: SliceCall,
  options: SliceOptions,
): Promise<SliceOutcome> {
  const { signal, turn } = call
  turn.beginWaiting()
  try {
    const inTurn = AbortSignal.any([signal, turn.leaving])
    const semaphore = options.semaphoreOf(job.model, model)
    return {
      text: await semaphore.run(job.owner, slice.length, inTurn, () => ask(job, model, slice, call, options)),
    }
  } catch (thrown) {
    if (signal.aborted) throw thrown
    if (turn.leaving.aborted) return 'left'
    if (job.kind === 'single' || !isAboutInputs(thrown, job)) throw thrown
    return { thrown }
  } finally {
    turn.endWaiting()
  }
}

/**
 * Leaves the model to others for a turn of the event loop after it has answered or thrown, or a
 * batch for a model that does so at once would be all that happens; at once with a single input,
 * for of those a turn has no more than may run.
 */
async function ask(
  { kind, owner, keyId }: ClaimedJob,
  model: JobModel,
  slice: readonly unknown[],
  call: SliceCall,
  options: SliceOptions,
): Promise<string> {
  const { signal, turn, onUsed } = call
  turn.endWaiting()
  try {
    await options.turnBudget.enter(slice)
    const span = call.beginSpan?.()
    const asked = { signal, turn, owner, keyId, span, onUsed }
    return textOf(await duringSpan(span, () => askModel(model, slice, asked, options)))
  } finally {
    if (kind === 'batch') await orAbort(() => options.scheduler.yieldTurn(), signal)
  }
}

/** A failure may pass, so it is about an input only where the job is tried no more. */
function isAboutInputs(
  thrown: unknown,
  { attempts, attemptsMax }: Pick<ClaimedJob, 'attempts' | 'attemptsMax'>,
): thrown is Refusal | Fault {
  if (comesAgain(thrown)) return true
  return (
    attempts >= attemptsMax && thrown instanceof Fault && (isLate(thrown) || thrown.code === 'model_failed')
  )
}

/** Whether the model took too long. */
export function isLate(thrown: Refusal | Fault): boolean {
  return thrown.code === 'model_timeout'
}

function textOf(answers: JobModelAnswers): string {
  if (typeof answers === 'string') return answers.slice(1, -1)
  // What JSON has no word for is null, as within an array.
  return answers.map((answer) => JSON.stringify(answer) ?? 'null').join()
}
