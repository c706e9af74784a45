import { Fault } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import { SetupError } from '../../core/setup-error.ts'
import { declarationOf } from '../check-model.ts'
import { importModel } from '../import-model.ts'
import { inputRefusalOf } from '../input-refusal.ts'
import type { Model, ModelCall } from '../model.ts'
import { withoutMessage } from '../without-message.ts'
import type { CallAnswer } from './batch-lane.ts'
import type { HostKind, ModelAnswer, ModelTask } from './host.ts'
import { writeAnswers } from './write-answers.ts'

/** What a model's thread or process does: it alone imports the module of such a model. */
export interface ModelProgram {
  /** Never rejects. */
  readonly answer: (task: ModelTask) => Promise<ModelAnswer>
  /** Whether the module has been imported, and has said where its model runs. */
  readonly isDeclared: () => boolean
  /** Whether inputs may have come. */
  readonly isReady: () => boolean
}

interface LoadedModel {
  readonly model: Model<unknown>
  readonly answerBytesMax: number
}

/** @param aborted shared memory with the number of the batch that was aborted last */
export function createModelProgram(kind: HostKind, aborted: Int32Array): ModelProgram {
  let isDeclared = false
  let loaded: LoadedModel | undefined

  async function answerTask(task: ModelTask): Promise<ModelAnswer> {
    if (task.ask === 'prepare') {
      const model = (await importModel(task.file)) as Model<unknown>
      isDeclared = true
      // A model that runs elsewhere is warmed there; here only its declaration is read.
      if (model.runs === kind) await warm(model, task.file)
      loaded = { model, answerBytesMax: task.answerBytesMax }
      return { outcome: 'ready', declaration: declarationOf(model) }
    }
    if (loaded === undefined) throw new Error('the model has not been loaded')
    if (task.ask === 'predict') return { outcome: 'answered', answers: await predict(loaded, task, aborted) }
    if (loaded.model.runs === kind) await loaded.model.close?.()
    return { outcome: 'closed' }
  }

  return {
    answer: (task) => answerTask(task).catch(failureOf),
    isDeclared: () => isDeclared,
    isReady: () => loaded !== undefined,
  }
}

async function warm(model: Model<unknown>, file: string): Promise<void> {
  try {
    await model.warmUp?.()
  } catch (cause) {
    throw new SetupError('model_unreadable', `${file}: warmUp failed: ${messageOf(cause)}`, { cause })
  }
}

async function predict(
  { model, answerBytesMax }: LoadedModel,
  { calls, batch }: ModelTask & { readonly ask: 'predict' },
  aborted: Int32Array,
): Promise<readonly CallAnswer[]> {
  const inputs = calls.flatMap((each) => each.inputs)
  const call = new HostedCall(aborted, batch)
  try {
    const outputs = checkOutputs(model.name, inputs.length, await model.predict(inputs, call))
    return writeAnswers(declarationOf(model), calls, outputs, answerBytesMax)
  } finally {
    call.end()
  }
}

function failureOf(thrown: unknown): ModelAnswer {
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
 * A batch's call, where its model runs. What is aborted stands in shared memory, because a thread
 * that computes without a pause receives no message; each read of `signal` looks at it, and a model
 * that awaits gets the `abort` event.
 */
class HostedCall implements ModelCall {
  #controller: AbortController | undefined
  #hasEnded = false
  readonly #aborted: Int32Array
  readonly #batch: number

  constructor(aborted: Int32Array, batch: number) {
    this.#aborted = aborted
    this.#batch = batch
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#watch()
    this.#look(this.#controller)
    return this.#controller.signal
  }

  /** To be called when the batch has ended, so that the watch ends too. */
  end(): void {
    this.#hasEnded = true
    if (this.#controller !== undefined) Atomics.notify(this.#aborted, 0)
  }

  #watch(): AbortController {
    const controller = new AbortController()
    this.#await(controller)
    return controller
  }

  #await(controller: AbortController): void {
    const { async: isAsync, value } = Atomics.waitAsync(this.#aborted, 0, Atomics.load(this.#aborted, 0))
    if (isAsync) void value.then(() => this.#look(controller) || this.#hasEnded || this.#await(controller))
    // What was written since the last look is not waited for.
    this.#look(controller)
  }

  /** Whether it is aborted. */
  #look(controller: AbortController): boolean {
    const { signal } = controller
    if (!signal.aborted && Atomics.load(this.#aborted, 0) === this.#batch)
      controller.abort(new DOMException('the batch has been given up', 'AbortError'))
    return signal.aborted
  }
}
