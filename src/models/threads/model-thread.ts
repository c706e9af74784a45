// The program of a model's thread: it alone imports the module of a threaded model.
import { workerData } from 'node:worker_threads'
import { Fault } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import { SetupError } from '../../core/setup-error.ts'
import { declarationOf } from '../check-model.ts'
import { importModel } from '../import-model.ts'
import { inputRefusalOf } from '../input-refusal.ts'
import type { Model, ModelCall } from '../model.ts'
import { withoutMessage } from '../without-message.ts'
import type { BatchCall, CallAnswer } from './batch-lane.ts'
import { batchFlag, type ThreadAnswer, type ThreadData, type ThreadTask } from './thread-messages.ts'
import { writeAnswers } from './write-answers.ts'

let loading: Promise<Model<unknown>> | undefined

/** Answers one task; never rejects. Called by the pool. */
export async function answerTask(task: ThreadTask): Promise<ThreadAnswer> {
  try {
    return await answer(task)
  } catch (thrown) {
    return failureOf(thrown)
  }
}

async function answer(task: ThreadTask): Promise<ThreadAnswer> {
  if (task.ask === 'close' && loading === undefined) return { outcome: 'closed' }
  const model = await loadOnce()
  switch (task.ask) {
    case 'prepare':
      return { outcome: 'ready', declaration: declarationOf(model) }
    case 'predict':
      return { outcome: 'answered', answers: await predict(model, task.calls, task.flag) }
    case 'close':
      if (model.runs === 'threaded') await model.close?.()
      return { outcome: 'closed' }
  }
}

/**
 * A thread that replaces another prepares first; a batch that comes before that waits. A failed
 * load is tried anew.
 */
function loadOnce(): Promise<Model<unknown>> {
  loading ??= load().catch((error) => {
    loading = undefined
    throw error
  })
  return loading
}

async function load(): Promise<Model<unknown>> {
  const { file } = workerData as ThreadData
  const model = (await importModel(file)) as Model<unknown>
  // An inline model is warmed where it predicts; this thread only reads its declaration.
  if (model.runs === 'inline') return model
  try {
    await model.warmUp?.()
  } catch (cause) {
    throw new SetupError('model_unreadable', `${file}: warmUp failed: ${messageOf(cause)}`, { cause })
  }
  return model
}

async function predict(
  model: Model<unknown>,
  calls: readonly BatchCall[],
  flag: Int32Array,
): Promise<readonly CallAnswer[]> {
  const { answerBytesMax } = workerData as ThreadData
  const inputs = calls.flatMap((each) => each.inputs)
  const call = new ThreadCall(flag)
  try {
    const outputs = checkOutputs(model.name, inputs.length, await model.predict(inputs, call))
    return writeAnswers(declarationOf(model), calls, outputs, answerBytesMax)
  } finally {
    call.end()
  }
}

function failureOf(thrown: unknown): ThreadAnswer {
  const refusal = inputRefusalOf(thrown)
  if (refusal !== undefined) return { outcome: 'refused', detail: refusal.message, errors: errorsOf(refusal) }
  if (thrown instanceof SetupError) return { outcome: 'unreadable', message: thrown.message }
  const { message, stack } = withoutMessage(thrown)
  return { outcome: 'failed', message, stack }
}

/** As data that can cross: whatever a user put there is written out and read again. */
function errorsOf({ errors }: Refusal): Refusal['errors'] {
  return errors === undefined ? undefined : JSON.parse(JSON.stringify(errors))
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? String(thrown.message) : String(thrown)
}

/**
 * Gives the outputs of a model where there is one per input.
 *
 * @throws Fault `model_failed`
 */
function checkOutputs(name: string, inputCount: number, outputs: unknown): readonly unknown[] {
  if (!Array.isArray(outputs)) throw wrong(name, `expected an array of outputs, got ${typeof outputs}`)
  if (outputs.length !== inputCount)
    throw wrong(name, `expected one output per input, got ${outputs.length} for ${inputCount}`)
  return outputs
}

function wrong(name: string, what: string): Fault {
  return new Fault('model_failed', `model ${name}: ${what}`)
}

/**
 * A batch's call, within its thread. The flag is shared memory, because a thread that computes
 * without a pause receives no message; each read of `signal` looks at it, and a model that awaits
 * gets the `abort` event.
 */
class ThreadCall implements ModelCall {
  #controller: AbortController | undefined
  readonly #flag: Int32Array

  constructor(flag: Int32Array) {
    this.#flag = flag
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#watch()
    this.#look(this.#controller)
    return this.#controller.signal
  }

  /** To be called when the batch has ended, so that the watch ends too. */
  end(): void {
    if (this.#controller === undefined) return
    Atomics.compareExchange(this.#flag, 0, batchFlag.running, batchFlag.ended)
    Atomics.notify(this.#flag, 0)
  }

  #watch(): AbortController {
    const controller = new AbortController()
    const { async: isAsync, value } = Atomics.waitAsync(this.#flag, 0, batchFlag.running)
    if (isAsync) void value.then(() => this.#look(controller))
    return controller
  }

  #look(controller: AbortController): void {
    if (controller.signal.aborted || Atomics.load(this.#flag, 0) !== batchFlag.aborted) return
    controller.abort(new DOMException('the batch has been given up', 'AbortError'))
  }
}
