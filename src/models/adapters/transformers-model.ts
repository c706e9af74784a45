import { join } from 'node:path'
import { checkOptions, isFunction, isText, type OptionRule } from '../../core/check-options.ts'
import { SetupError } from '../../core/setup-error.ts'
import { checkPath } from '../check-path.ts'
import type { Model } from '../model.ts'
import { type AdaptedModelOptions, adaptedSettings, once, pathOf } from './adapted-model.ts'
import { loadPeer } from './load-peer.ts'

/** A pipeline of transformers.js: a function that has a way to be disposed of. */
export interface TransformersPipeline {
  (inputs: readonly unknown[], options?: unknown): Promise<unknown>
  readonly dispose?: () => Promise<unknown>
}

/** What is used of the package `@huggingface/transformers`. */
export interface TransformersModule {
  readonly env: {
    allowRemoteModels: boolean
    allowLocalModels: boolean
    localModelPath: string
  }
  readonly pipeline: (task: never, model: string, options: never) => Promise<unknown>
}

/** `Input` is what a caller sends: a text, or a JSON value where `input` is `'json'`. */
export interface TransformersModelOptions<Input, Output> extends AdaptedModelOptions {
  /** The pipeline's task, such as `text-classification` or `feature-extraction`. */
  readonly task: string
  /** The folder that holds models. Nothing is ever fetched from elsewhere. */
  readonly localModelPath: string | URL
  /** The model's folder within it: `config.json`, `tokenizer.json`, `onnx/model.onnx`. */
  readonly model: string
  /** Options of `pipeline()`. @default { dtype: 'fp32', device: 'cpu' } */
  readonly pipelineOptions?: Readonly<Record<string, unknown>>
  /** Options of each call of the pipeline, such as `{ top_k: null }`. */
  readonly callOptions?: Readonly<Record<string, unknown>>
  /**
   * Turns what the pipeline gives for a batch into one JSON value per input.
   * @default the pipeline's own array
   */
  readonly decode?: (answer: unknown, inputs: readonly Input[]) => readonly Output[]
  /** The package, where it is to be another copy. @default imported when the model is loaded */
  readonly transformers?: TransformersModule
}

const rules: Readonly<Record<string, OptionRule>> = {
  task: { expected: 'the name of a task, such as "text-classification"', accepts: isText, isRequired: true },
  localModelPath: {
    expected: "a folder's path",
    accepts: (value) => isText(value) || value instanceof URL,
    isRequired: true,
  },
  model: { expected: "the name of the model's folder", accepts: isText, isRequired: true },
  decode: { expected: 'a function', accepts: isFunction },
}

const defaultPipeline = {
  dtype: 'fp32',
  device: 'cpu',
  // Threads multiply: each model thread that also had one per core would leave them all waiting for
  // each other.
  session_options: { intraOpNumThreads: 1, interOpNumThreads: 1 },
} as const

/**
 * A model out of a transformers.js pipeline in a local folder, by `@huggingface/transformers`
 * (install it beside this package). It loads local files alone: the setting holds for the whole
 * thread.
 *
 * @throws TypeError for wrong options; when it is loaded, SetupError `model_unreadable`
 * @example
 * export const model = transformersModel({
 *   name: 'tone', version: 'tone-1', task: 'text-classification',
 *   localModelPath: new URL('./models/', import.meta.url), model: 'tone',
 * })
 */
export function transformersModel<Input = string, Output = unknown>(
  options: TransformersModelOptions<Input, Output>,
): Model<Input, Output> {
  const { task, localModelPath, model, decode = asArray } = options
  checkOptions('transformersModel', { task, localModelPath, model, decode }, rules)
  const load = once(() => createPipeline(options))
  return {
    ...adaptedSettings(options),
    warmUp: load,
    async predict(inputs) {
      const pipeline = await load()
      return decode(await pipeline(inputs, options.callOptions), inputs) as readonly Output[]
    },
    async close() {
      const pipeline = await load()
      await pipeline.dispose?.()
    },
  }
}

/** The check of outputs reports what is not an array. */
function asArray(answer: unknown): readonly never[] {
  return answer as readonly never[]
}

async function createPipeline(
  options: TransformersModelOptions<never, unknown>,
): Promise<TransformersPipeline> {
  const { task, model, pipelineOptions } = options
  const folder = pathOf(options.localModelPath)
  const path = join(folder, model)
  checkPath(path, 'folder', `transformersModel: ${path}`)
  const peer = options.transformers ?? (await loadPeer('@huggingface/transformers', 'transformersModel'))
  const { env, pipeline } = peer as TransformersModule
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = folder
  try {
    const local = { ...defaultPipeline, ...pipelineOptions, local_files_only: true } as never
    return (await pipeline(task as never, model, local)) as TransformersPipeline
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SetupError(
      'model_unreadable',
      `transformersModel: ${folder} ${model}: expected a model for ${task}, got: ${why}`,
      { cause },
    )
  }
}
