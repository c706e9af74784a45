import { Fault } from '../core/fault.ts'
import type { Model, ModelCall } from './model.ts'

export interface CallModelOptions<Output> {
  /** How long the model may take, in milliseconds. */
  readonly deadlineMs: number
  /** Whether an output has the shape it should have. */
  readonly isOutput: (output: unknown) => output is Output
  /** Registers what is to be called when the client goes away. Only called for a model that looks at its signal. */
  readonly onClientGone?: (listener: () => void) => void
}

/**
 * Asks a model, within a deadline. A model that answers at once costs no timer, and one that never looks at its signal no
 * controller.
 *
 * @throws Fault `model_timeout` past the deadline; `model_failed` when the model throws or its answer is not one output per
 * input, each of the right shape
 */
export async function callModel<Input, Output>(
  model: Model<Input, unknown>,
  inputs: readonly Input[],
  options: CallModelOptions<Output>,
): Promise<readonly Output[]> {
  const call = new RunningCall(options.onClientGone)
  let outputs: unknown
  try {
    const answer = model.predict(inputs, call)
    outputs = isPromise(answer) ? await withinDeadline(answer, call, options.deadlineMs, model.name) : answer
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('model_failed', `model ${model.name} failed`, { cause })
  }
  if (!Array.isArray(outputs) || outputs.length !== inputs.length || !outputs.every(options.isOutput))
    throw new Fault('model_failed', `model ${model.name}: expected one output of its own shape per input`)
  return outputs
}

async function withinDeadline(
  answer: PromiseLike<unknown>,
  call: RunningCall,
  deadlineMs: number,
  name: string,
): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
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
  }
}

function isPromise(answer: unknown): answer is PromiseLike<unknown> {
  return typeof answer === 'object' && answer !== null && 'then' in answer
}

/** The signal is made when it is first looked at; most models never do. */
class RunningCall implements ModelCall {
  #controller: AbortController | undefined
  readonly #onClientGone: CallModelOptions<unknown>['onClientGone']

  constructor(onClientGone: CallModelOptions<unknown>['onClientGone']) {
    this.#onClientGone = onClientGone
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      this.#onClientGone?.(() => this.abort(new Error('the client went away')))
    }
    return this.#controller.signal
  }

  abort(reason: Error): void {
    this.#controller?.abort(reason)
  }
}
