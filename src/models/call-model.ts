import { withinDeadline } from '../core/deadline.ts'
import { Fault } from '../core/fault.ts'
import { awaitedScheduler } from '../core/scheduler.ts'
import { inputRefusalOf } from './input-refusal.ts'
import type { Model, ModelCall } from './model.ts'

export interface CallModelOptions<Output> {
  /** How long the model may take, in milliseconds. */
  readonly deadlineMs: number
  /** Whether an output has the shape it should have. */
  readonly isOutput: (output: unknown) => output is Output
  /**
   * Registers what is to be called when the client goes away. Only called for a model that looks at
   * its signal.
   */
  readonly onClientGone?: (listener: () => void) => void
  /**
   * Gives the call up: the model is told by its own signal, and a promised answer rejects with the
   * reason.
   */
  readonly signal?: AbortSignal
}

/**
 * Asks a model, within a deadline. A model that answers at once costs no timer and no promise, and
 * one that never looks at its signal no controller.
 *
 * @throws Fault `model_timeout` past the deadline; `model_failed` when the model throws or its
 *   answer is not one output per input, each of the right shape; Refusal `input_invalid` where the
 *   model refuses an input. Thrown at once by a model that answers at once.
 */
export function callModel<Input, Output>(
  model: Model<Input, unknown>,
  inputs: readonly Input[],
  options: CallModelOptions<Output>,
): readonly Output[] | Promise<readonly Output[]> {
  const call = new RunningCall(options)
  let answer: unknown
  try {
    answer = model.predict(inputs, call)
  } catch (thrown) {
    throw modelFault(model, thrown)
  }
  if (!isPromise(answer)) return checkOutputs(model, inputs, answer, options)
  const { deadlineMs, signal } = options
  return withinDeadline(answer, {
    name: `model ${model.name}`,
    deadlineMs,
    scheduler: awaitedScheduler,
    signal,
    onGiveUp: (reason) => call.abort(reason),
  }).then(
    (outputs) => checkOutputs(model, inputs, outputs, options),
    (thrown) => {
      throw signal?.aborted ? signal.reason : modelFault(model, thrown)
    },
  )
}

function modelFault({ name }: Model<never, unknown>, thrown: unknown): Error {
  if (thrown instanceof Fault) return thrown
  return inputRefusalOf(thrown) ?? new Fault('model_failed', `model ${name} failed`, { cause: thrown })
}

function checkOutputs<Input, Output>(
  { name }: Model<never, unknown>,
  inputs: readonly Input[],
  outputs: unknown,
  { isOutput }: CallModelOptions<Output>,
): readonly Output[] {
  const message = `model ${name}: expected one output of its own shape per input`
  try {
    if (Array.isArray(outputs) && outputs.length === inputs.length && outputs.every(isOutput)) return outputs
  } catch (cause) {
    // Looking at an output may run the model's own code, such as a getter.
    throw new Fault('model_failed', message, { cause })
  }
  throw new Fault('model_failed', message)
}

function isPromise(answer: unknown): answer is PromiseLike<unknown> {
  return typeof answer === 'object' && answer !== null && 'then' in answer
}

/** Creates its signal on first read; most models never read it. */
class RunningCall implements ModelCall {
  #controller: AbortController | undefined
  #abortedWith: { readonly reason: unknown } | undefined
  readonly #onClientGone: CallModelOptions<unknown>['onClientGone']

  constructor({ onClientGone }: Pick<CallModelOptions<unknown>, 'onClientGone'>) {
    this.#onClientGone = onClientGone
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abortedWith !== undefined) this.#controller.abort(this.#abortedWith.reason)
      else this.#onClientGone?.(() => this.abort(new Error('the client went away')))
    }
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#abortedWith ??= { reason }
    this.#controller?.abort(reason)
  }
}
