import { Fault } from '../core/fault.ts'
import { inputRefusalOf } from './input-refusal.ts'
import type { Model, ModelCall } from './model.ts'

export interface CallModelOptions<Output> {
  /** How long the model may take, in milliseconds. */
  readonly deadlineMs: number
  /** Whether an output has the shape it should have. */
  readonly isOutput: (output: unknown) => output is Output
  /** Registers what is to be called when the client goes away. Only called for a model that looks at its signal. */
  readonly onClientGone?: (listener: () => void) => void
  /** Gives the call up: the model is told by its own signal, and a promised answer rejects with the reason. */
  readonly signal?: AbortSignal
}

/**
 * Asks a model, within a deadline. A model that answers at once costs no timer and no promise, and one that never looks at its
 * signal no controller.
 *
 * @throws Fault `model_timeout` past the deadline; `model_failed` when the model throws or its answer is not one output per
 * input, each of the right shape; Refusal `input_invalid` where the model refuses an input. Thrown at once by a model that answers at once.
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
  return withinDeadline(answer, call, options, model.name).then(
    (outputs) => checkOutputs(model, inputs, outputs, options),
    (thrown) => {
      throw options.signal?.aborted ? options.signal.reason : modelFault(model, thrown)
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

async function withinDeadline(
  answer: PromiseLike<unknown>,
  call: RunningCall,
  { deadlineMs, signal }: Pick<CallModelOptions<unknown>, 'deadlineMs' | 'signal'>,
  name: string,
): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  let giveUp = (): void => {}
  const deadline = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(signal?.reason)
    signal?.addEventListener('abort', giveUp)
    timer = setTimeout(() => {
      const fault = new Fault('model_timeout', `model ${name} did not answer within ${deadlineMs} ms`)
      // The caller is answered first: a model that ends badly when aborted has still missed its deadline.
      reject(fault)
      call.abort(fault)
    }, deadlineMs)
  })
  try {
    return await Promise.race([answer, deadline])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
    call.end()
  }
}

function isPromise(answer: unknown): answer is PromiseLike<unknown> {
  return typeof answer === 'object' && answer !== null && 'then' in answer
}

/** The signal is made when it is first looked at; most models never do. */
class RunningCall implements ModelCall {
  #controller: AbortController | undefined
  #stopHeeding = (): void => {}
  readonly #options: Pick<CallModelOptions<unknown>, 'onClientGone' | 'signal'>

  constructor(options: Pick<CallModelOptions<unknown>, 'onClientGone' | 'signal'>) {
    this.#options = options
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      this.#options.onClientGone?.(() => this.abort(new Error('the client went away')))
      this.#heed(this.#options.signal)
    }
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#controller?.abort(reason)
  }

  /** To be called when the call has ended: a caller's signal may live longer than its calls. */
  end(): void {
    this.#stopHeeding()
  }

  #heed(signal: AbortSignal | undefined): void {
    if (signal === undefined) return
    const abort = () => this.abort(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    this.#stopHeeding = () => signal.removeEventListener('abort', abort)
  }
}
