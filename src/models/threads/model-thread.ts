// The program of a model's thread: it alone imports the module of a threaded model.
import { workerData } from 'node:worker_threads'
import type { Refusal } from '../../core/refusal.ts'
import { SetupError } from '../../core/setup-error.ts'
import { declarationOf } from '../check-model.ts'
import { importModel } from '../import-model.ts'
import { inputRefusalOf } from '../input-refusal.ts'
import type { Model } from '../model.ts'
import { checkOutputs } from './check-outputs.ts'
import { ThreadCall } from './thread-call.ts'
import type { ThreadAnswer, ThreadData, ThreadTask } from './thread-messages.ts'

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
      return { outcome: 'outputs', outputs: await predict(model, task.inputs, task.flag) }
    case 'close':
      if (model.runs === 'threaded') await model.close?.()
      return { outcome: 'closed' }
  }
}

/** A thread that replaces another is asked to prepare first; should it be given a batch before, the batch waits. A failed load is tried anew. */
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
  inputs: readonly unknown[],
  flag: Int32Array,
): Promise<readonly unknown[]> {
  const call = new ThreadCall(flag)
  try {
    return checkOutputs(model.name, inputs.length, await model.predict(inputs, call))
  } finally {
    call.end()
  }
}

function failureOf(thrown: unknown): ThreadAnswer {
  const refusal = inputRefusalOf(thrown)
  if (refusal !== undefined) return { outcome: 'refused', detail: refusal.message, errors: errorsOf(refusal) }
  if (thrown instanceof SetupError) return { outcome: 'unreadable', message: thrown.message }
  const stack = thrown instanceof Error ? thrown.stack : undefined
  return {
    outcome: 'failed',
    message: messageOf(thrown),
    stack: stack === undefined ? undefined : String(stack),
  }
}

/** As data that can cross: whatever a user put there is written out and read again. */
function errorsOf({ errors }: Refusal): Refusal['errors'] {
  return errors === undefined ? undefined : JSON.parse(JSON.stringify(errors))
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? String(thrown.message) : String(thrown)
}
