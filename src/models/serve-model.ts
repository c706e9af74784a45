import { withinDeadline } from '../core/deadline.ts'
import { Fault } from '../core/fault.ts'
import { awaitedScheduler } from '../core/scheduler.ts'
import { slicesOf } from '../core/slices.ts'
import { declarationOf } from './check-model.ts'
import { inputRefusalOf } from './input-refusal.ts'
import { isJsonValue } from './json-value.ts'
import type { Model, ModelCall, PredictOptions, ServedModel } from './model.ts'
import { withoutMessage } from './without-message.ts'

type Outputs = readonly unknown[]

export interface ServeInlineOptions {
  /** For a model that names none, in milliseconds. */
  readonly deadlineMs: number
  /** Whether an output may be written as it is. @default any JSON value */
  readonly isOutput?: (output: unknown) => output is unknown
}

const idle = { waiting: 0, running: 0 } as const

/**
 * A checked model that answers on the calling thread. A model that answers at once costs no timer
 * and no promise.
 */
export function serveInline<Input>(model: Model<Input, unknown>, options: ServeInlineOptions): ServedModel {
  const declared = declarationOf(model as Model<never>)
  const { name, version, runs, input, batchMax, deadlineMs = options.deadlineMs } = declared
  const isOutput = options.isOutput ?? ((output: unknown): output is unknown => isJsonValue(output))
  const predict = predictInSlices({ batchMax, deadlineMs }, function predictSlice(slice, sliceOptions) {
    sliceOptions.signal?.throwIfAborted()
    return callModel(model as Model<unknown, unknown>, slice, { ...sliceOptions, isOutput })
  })
  return { name, version, input, runs, batchMax, deadlineMs, predict, load: () => idle }
}

/** The options of one slice: `deadlineMs` is what is left of the call's deadline. */
export type SliceOptions = PredictOptions & { readonly deadlineMs: number }

/**
 * Makes a `predict` that passes on at most `batchMax` inputs at a time, one slice after the other
 * within one deadline; it answers at once where each slice does.
 *
 * @param predictSlice answers one slice, which is never empty
 */
export function predictInSlices(
  { batchMax, deadlineMs }: Pick<ServedModel, 'batchMax' | 'deadlineMs'>,
  predictSlice: (slice: readonly unknown[], options: SliceOptions) => Outputs | Promise<Outputs>,
): ServedModel['predict'] {
  return function predict(inputs, callOptions = {}) {
    const options = { ...callOptions, deadlineMs: callOptions.deadlineMs ?? deadlineMs }
    if (inputs.length === 0) return []
    if (inputs.length <= batchMax) return predictSlice(inputs, options)
    const { signal, stop } = joinSignals(callOptions)
    const dueAt = performance.now() + options.deadlineMs
    const answer = predictEach(slicesOf(inputs, batchMax), (slice) =>
      predictSlice(slice, {
        ...(signal && { signal }),
        deadlineMs: Math.max(0, dueAt - performance.now()),
      }),
    )
    if (answer instanceof Promise) return answer.finally(stop)
    stop()
    return answer
  }
}

function predictEach(
  slices: Iterator<readonly unknown[], void>,
  predictSlice: (slice: readonly unknown[]) => Outputs | Promise<Outputs>,
): Outputs | Promise<Outputs> {
  const outputs: unknown[] = []
  for (let next = slices.next(); next.value !== undefined; next = slices.next()) {
    const answer = predictSlice(next.value)
    if (answer instanceof Promise) return finishLater(answer)
    outputs.push(...answer)
  }
  return outputs

  async function finishLater(first: Promise<Outputs>): Promise<Outputs> {
    outputs.push(...(await first))
    for (let next = slices.next(); next.value !== undefined; next = slices.next())
      outputs.push(...(await predictSlice(next.value)))
    return outputs
  }
}

/** One signal for all slices: if each slice listened to the client, each would leave a listener. */
function joinSignals({ signal, onClientGone }: PredictOptions): {
  readonly signal: AbortSignal | undefined
  readonly stop: () => void
} {
  if (onClientGone === undefined) return { signal, stop: () => {} }
  const controller = new AbortController()
  onClientGone(() => controller.abort(new Error('the client went away')))
  const abort = () => controller.abort(signal?.reason)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  return { signal: controller.signal, stop: () => signal?.removeEventListener('abort', abort) }
}

export interface CallModelOptions<Output> {
  /** How long the model may take, in milliseconds. */
  readonly deadlineMs: number
  /** Whether an output has the shape it should have. */
  readonly isOutput: (output: unknown) => output is Output
  /**
   * Registers a listener for the client going away. Only called for a model that looks at its
   * signal.
   */
  readonly onClientGone?: (listener: () => void) => void
  /**
   * Cancels the call: the model's own signal aborts, and a promised answer rejects with the reason.
   */
  readonly signal?: AbortSignal
}

/**
 * Calls a model within a deadline. A model that answers at once costs no timer and no promise, and
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
  if (Array.isArray(answer) || !isPromise(answer)) return checkOutputs(model, inputs, answer, options)
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
  return (
    inputRefusalOf(thrown) ??
    new Fault('model_failed', `model ${name} failed`, { cause: withoutMessage(thrown) })
  )
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
    throw new Fault('model_failed', message, { cause: withoutMessage(cause) })
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
