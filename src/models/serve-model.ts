import type { Maybe } from '../core/after.ts'
import { withinDeadline } from '../core/deadline.ts'
import { Fault } from '../core/fault.ts'
import { awaitedScheduler } from '../core/scheduler.ts'
import { answerTooLarge } from './answer-too-large.ts'
import { declarationOf } from './check-model.ts'
import { inputRefusalOf } from './input-refusal.ts'
import { fitOf, type JsonFit } from './json-value.ts'
import type { Model, ModelCall, ServedModel } from './model.ts'
import { predictInSlices, type SliceOptions, slicedJson, slicedOutputs } from './predict-in-slices.ts'
import { writePredictions } from './prediction.ts'
import { withoutMessage } from './without-message.ts'

type Outputs = readonly unknown[]

export interface ServeInlineOptions {
  /** For a model that names none, in milliseconds. */
  readonly deadlineMs: number
  /** Longest answer to one call, in bytes of JSON. */
  readonly answerBytesMax: number
  /**
   * Whether an output may be written as it is, which is known to be short then.
   * @default any JSON value within `answerBytesMax`
   */
  readonly isOutput?: ((output: unknown) => boolean) | undefined
}

const idle = { waiting: 0, running: 0 } as const

/**
 * A checked model that answers on the calling thread. A model that answers at once costs no timer
 * and no promise.
 */
export function serveInline<Input>(model: Model<Input, unknown>, options: ServeInlineOptions): ServedModel {
  const declared = declarationOf(model as Model<never>)
  const { name, version, runs, input, batchMax, deadlineMs = options.deadlineMs } = declared
  const { isOutput, answerBytesMax } = options
  const bounds = { name, batchMax, deadlineMs, answerBytesMax }

  function predictSlice(slice: readonly unknown[], sliceOptions: SliceOptions): Maybe<Outputs> {
    sliceOptions.signal?.throwIfAborted()
    return callModel(model as Model<unknown, unknown>, slice, { ...sliceOptions, answerBytesMax, isOutput })
  }

  function writeSlice(slice: readonly unknown[], outputs: Outputs): string {
    const json = writePredictions(declared, slice, outputs)
    // Most are so short that their bytes need not be counted: a unit of UTF-16 takes 3 at most.
    if (json.length * 3 > answerBytesMax && Buffer.byteLength(json) > answerBytesMax)
      throw answerTooLarge(name, answerBytesMax)
    return json
  }

  return {
    ...{ name, version, input, runs, batchMax, deadlineMs },
    predict: predictInSlices(bounds, predictSlice, slicedOutputs),
    predictJson: predictInSlices(
      bounds,
      function predictSliceJson(slice, sliceOptions) {
        const outputs = predictSlice(slice, sliceOptions)
        return outputs instanceof Promise
          ? outputs.then((later) => writeSlice(slice, later))
          : writeSlice(slice, outputs)
      },
      slicedJson,
    ),
    load: () => idle,
  }
}

export interface CallModelOptions extends Pick<ServeInlineOptions, 'isOutput' | 'answerBytesMax'> {
  /** How long the model may take, in milliseconds. */
  readonly deadlineMs: number
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
 *   answer is not one output per input, each of the right shape, and all within their bound;
 *   Refusal `input_invalid` where the model refuses an input. Thrown at once by a model that
 *   answers at once.
 */
export function callModel<Input>(
  model: Model<Input, unknown>,
  inputs: readonly Input[],
  options: CallModelOptions,
): Maybe<Outputs> {
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

function checkOutputs(
  { name }: Model<never, unknown>,
  inputs: readonly unknown[],
  outputs: unknown,
  options: CallModelOptions,
): Outputs {
  const message = `model ${name}: expected one output of its own shape per input`
  let fit: JsonFit = 'not JSON'
  try {
    if (Array.isArray(outputs) && outputs.length === inputs.length) fit = fitOfOutputs(outputs, options)
  } catch (cause) {
    // Looking at an output may run the model's own code, such as a getter.
    throw new Fault('model_failed', message, { cause: withoutMessage(cause) })
  }
  if (fit === 'too large') throw answerTooLarge(name, options.answerBytesMax)
  if (fit === 'not JSON') throw new Fault('model_failed', message)
  return outputs as Outputs
}

function fitOfOutputs(outputs: Outputs, { isOutput, answerBytesMax }: CallModelOptions): JsonFit {
  if (isOutput === undefined) return fitOf(outputs, answerBytesMax)
  return outputs.every(isOutput) ? 'fits' : 'not JSON'
}

function isPromise(answer: unknown): answer is PromiseLike<unknown> {
  return typeof answer === 'object' && answer !== null && 'then' in answer
}

/** Creates its signal on first read; most models never read it. */
class RunningCall implements ModelCall {
  #controller: AbortController | undefined
  #abortedWith: { readonly reason: unknown } | undefined
  readonly #onClientGone: CallModelOptions['onClientGone']

  constructor({ onClientGone }: Pick<CallModelOptions, 'onClientGone'>) {
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
