import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkOptions, isFunction, isWholeFrom, type OptionRule } from '../core/check-options.ts'
import { SetupError } from '../core/setup-error.ts'
import { answerBytesMax as defaultAnswerBytesMax } from '../core/written-json.ts'
import { type Measures, noMeasures } from '../telemetry/measures.ts'
import { createTelemetry, type OperationalEventListener, type Telemetry } from '../telemetry/telemetry.ts'
import { checkModel } from './check-model.ts'
import { measureModel } from './measured-model.ts'
import type { Model, ServedModel } from './model.ts'
import { type OpenedModel, openInline, openModelFile } from './open-model.ts'
import { isSentiment } from './sentiment/sentiment.ts'
import { loadSentimentModel } from './sentiment/sentiment-model.ts'

/** Models that are loaded and ready, by name. The first is the default. */
export interface ModelRuntime {
  readonly models: ReadonlyMap<string, ServedModel>
  /**
   * Waits for no call: what is still waiting or running fails with `overloaded`. Safe to call
   * twice.
   */
  readonly close: () => Promise<void>
}

/** Which models, and the bounds within which they answer. */
export interface ModelRuntimeOptions {
  /**
   * Models, the first of which is the default: paths of modules that export one, or inline models
   * themselves. A threaded model comes by its path, because its thread imports it. @default the
   * built-in sentiment model
   */
  readonly models?: readonly (string | URL | Model<never>)[]
  /** Longest that a call may take, for models that say nothing else. @default 5,000 ms */
  readonly deadlineMs?: number
  /**
   * Threads of each threaded model that says nothing else, 1 to 64.
   * @default the machine's cores less one, at most 4
   */
  readonly threads?: number | undefined
  /**
   * Most inputs that wait for one threaded model; more are refused with `overloaded`.
   * @default 1,000
   */
  readonly waitingMax?: number
  /** Longest that a model may take to load and warm up. @default 120,000 ms */
  readonly loadMs?: number
  /**
   * Longest answer to one call, in bytes of JSON; a longer one is `model_failed`.
   * @default 16 MiB
   */
  readonly answerBytesMax?: number
  /** Most memory of each model thread's JavaScript heap in MiB. @default Node's own */
  readonly threadHeapMib?: number
  /**
   * Called with operational events, which reach no caller: a lost thread, a replacement that cannot
   * load, and once a minute how many calls failed or were late.
   * @default nothing
   */
  readonly onEvent?: OperationalEventListener
  /** Where calls to models are measured. @default nowhere */
  readonly measures?: Measures
}

const rules: Readonly<Record<keyof ModelRuntimeOptions, OptionRule>> = {
  models: { expected: 'an array of paths and inline models', accepts: Array.isArray },
  deadlineMs: { expected: 'milliseconds, 1 to 3,600,000', accepts: isWholeFrom(1, 3_600_000) },
  threads: { expected: 'a number of threads, 1 to 64', accepts: isWholeFrom(1, 64) },
  waitingMax: { expected: 'a number of inputs, 1 or more', accepts: isWholeFrom(1) },
  loadMs: { expected: 'milliseconds, 1 to 3,600,000', accepts: isWholeFrom(1, 3_600_000) },
  answerBytesMax: { expected: 'bytes, 1 to 268,435,456', accepts: isWholeFrom(1, 2 ** 28) },
  threadHeapMib: { expected: 'MiB, 16 or more', accepts: isWholeFrom(16) },
  onEvent: { expected: 'a function', accepts: isFunction },
  measures: {
    expected: 'measures',
    accepts: (value) => typeof (value as Partial<Measures> | null)?.modelCall === 'function',
  },
}

/** How long an aborted batch may take to end before its thread is killed. */
const graceMs = 250

/**
 * Loads models and gives them when all are ready.
 *
 * @throws TypeError for wrong options; SetupError `model_unreadable` for a model that cannot be
 *   loaded, `config_invalid` for two of one name
 * @example
 * const runtime = await createModelRuntime({ models: ['./my-model.ts'] })
 * const outputs = await runtime.models.get('my-model')?.predict(['some text'])
 */
export async function createModelRuntime(options: ModelRuntimeOptions = {}): Promise<ModelRuntime> {
  checkOptions('createModelRuntime', options, { ...rules })
  const { onEvent, measures = noMeasures } = options
  const telemetry = createTelemetry(onEvent === undefined ? [] : [onEvent], { measures })
  const opened: OpenedModel[] = []
  const close = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((model) => model.close()))
  }
  const models = new Map<string, ServedModel>()
  try {
    for (const source of sourcesOf(options.models)) {
      const model = await open(source, options, telemetry)
      const { served, end } = measureModel(model.served, telemetry)
      opened.push({
        served,
        async close() {
          end()
          await model.close()
        },
      })
      if (models.has(served.name))
        throw new SetupError(
          'config_invalid',
          `models: expected names of their own, got \`${served.name}\` twice`,
        )
      models.set(served.name, served)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { models, close }
}

type ModelSource = string | URL | Model<never> | undefined

/** Undefined stands for the built-in model. */
function sourcesOf(models: ModelRuntimeOptions['models'] = []): readonly ModelSource[] {
  return models.length === 0 ? [undefined] : models
}

function open(source: ModelSource, options: ModelRuntimeOptions, telemetry: Telemetry): Promise<OpenedModel> {
  const {
    deadlineMs = 5_000,
    waitingMax = 1_000,
    loadMs = 120_000,
    answerBytesMax = defaultAnswerBytesMax,
    threads,
    threadHeapMib,
  } = options
  const inline = { deadlineMs, loadMs, answerBytesMax }
  if (source === undefined)
    return openInline(loadSentimentModel(), { ...inline, isOutput: isSentiment }, 'sentiment')
  if (typeof source === 'string' || source instanceof URL) {
    const file = typeof source === 'string' ? resolve(source) : fileURLToPath(source)
    return openModelFile({
      file,
      deadlineMs,
      threads,
      waitingMax,
      loadMs,
      answerBytesMax,
      graceMs,
      heapMib: threadHeapMib,
      telemetry,
    })
  }
  const model = checkModel(source, 'models')
  if (model.runs === 'inline') return openInline(model, inline, 'models')
  throw new SetupError(
    'model_unreadable',
    `models: expected the path of the module of \`${model.name}\`, got the model itself; a model that does not run inline is imported where it runs`,
  )
}
