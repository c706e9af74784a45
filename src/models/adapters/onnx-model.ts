import { readFileSync } from 'node:fs'
import { checkOptions, isFunction, isText, type OptionRule } from '../../core/check-options.ts'
import { SetupError } from '../../core/setup-error.ts'
import { checkPath } from '../check-path.ts'
import type { Model } from '../model.ts'
import { type AdaptedModelOptions, adaptedSettings, once, pathOf } from './adapted-model.ts'
import { loadPeer } from './load-peer.ts'

/** A tensor, as ONNX Runtime has it. */
export interface OnnxTensor {
  readonly type: string
  readonly data: ArrayLike<unknown>
  readonly dims: readonly number[]
}

/** What goes into a tensor: `{ type: 'float32', data: Float32Array.of(1, 2), dims: [1, 2] }`. */
export interface OnnxTensorInput {
  readonly type: 'float32' | 'float64' | 'int32' | 'int64' | 'uint8' | 'int8' | 'bool' | 'string'
  readonly data: ArrayLike<unknown>
  readonly dims: readonly number[]
}

/** What is used of a session of ONNX Runtime. */
export interface OnnxSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly run: (feeds: never) => Promise<Readonly<Record<string, unknown>>>
  readonly release: () => Promise<void>
}

/** What is used of the package `onnxruntime-node`, or `onnxruntime-web`. */
export interface OnnxRuntime {
  readonly InferenceSession: { readonly create: (model: Uint8Array, options?: never) => Promise<OnnxSession> }
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => object
}

/** `Input` is what a caller sends: a text, or a JSON value where `input` is `'json'`. */
export interface OnnxModelOptions<Input, Output> extends AdaptedModelOptions {
  /** Path of the `.onnx` file. */
  readonly file: string | URL
  /**
   * Writes inputs, at least one, into the network's tensors, by their names. Throws
   * `Refusal('input_invalid')` for an input it cannot take.
   */
  readonly encode: (inputs: readonly Input[]) => Readonly<Record<string, OnnxTensorInput>>
  /** Reads one output per input, each a JSON value, from the network's tensors. */
  readonly decode: (
    tensors: Readonly<Record<string, OnnxTensor>>,
    inputs: readonly Input[],
  ) => readonly Output[]
  /**
   * ONNX Runtime's own options of a session, such as `{ executionProviders: ['cpu'] }`.
   * @default one thread of its own per model thread
   */
  readonly session?: Readonly<Record<string, unknown>>
  /**
   * ONNX Runtime, where it is not `onnxruntime-node`: `ort: await import('onnxruntime-web')`.
   * @default imported when the model is loaded
   */
  readonly ort?: OnnxRuntime
}

const rules: Readonly<Record<string, OptionRule>> = {
  file: {
    expected: "a file's path",
    accepts: (value) => isText(value) || value instanceof URL,
    isRequired: true,
  },
  encode: { expected: 'a function', accepts: isFunction, isRequired: true },
  decode: { expected: 'a function', accepts: isFunction, isRequired: true },
}

/**
 * Threads multiply: each model thread that also had one per core would leave them all waiting for
 * each other.
 */
const defaultSession = { intraOpNumThreads: 1, interOpNumThreads: 1 } as const

/**
 * A model out of an ONNX network in a local file, by `onnxruntime-node` (install it beside this
 * package) or `onnxruntime-web`.
 *
 * @throws TypeError for wrong options; when it is loaded, SetupError `model_unreadable` for a file
 *   that cannot be read or is no network
 * @example
 * export const model = onnxModel<readonly number[], number>({
 *   name: 'sum', version: 'sum-1', input: 'json', file: new URL('./sum.onnx', import.meta.url),
 *   encode: (rows) => ({
 *     x: { type: 'float32', data: Float32Array.from(rows.flat()), dims: [rows.length, 2] },
 *   }),
 *   decode: ({ y }) => Array.from(y?.data ?? [], Number),
 * })
 */
export function onnxModel<Input = string, Output = unknown>(
  options: OnnxModelOptions<Input, Output>,
): Model<Input, Output> {
  const { file, encode, decode } = options
  checkOptions('onnxModel', { file, encode, decode }, rules)
  const load = once(() => createSession(options))
  return {
    ...adaptedSettings(options),
    warmUp: load,
    async predict(inputs) {
      const { session, Tensor } = await load()
      const feeds = Object.entries(encode(inputs)).map(([name, { type, data, dims }]) => [
        name,
        new Tensor(type as never, data as never, dims),
      ])
      const tensors = await session.run(Object.fromEntries(feeds) as never)
      return decode(tensors as Readonly<Record<string, OnnxTensor>>, inputs)
    },
    async close() {
      const { session } = await load()
      await session.release()
    },
  }
}

interface LoadedSession {
  readonly session: OnnxSession
  readonly Tensor: OnnxRuntime['Tensor']
}

async function createSession({
  file,
  ort,
  session,
}: OnnxModelOptions<never, unknown>): Promise<LoadedSession> {
  const path = pathOf(file)
  checkPath(path, 'file', `onnxModel: ${path}`)
  const runtime = ort ?? ((await loadPeer('onnxruntime-node', 'onnxModel')) as OnnxRuntime)
  try {
    const network = readFileSync(path)
    const options = { ...defaultSession, ...session } as never
    return { session: await runtime.InferenceSession.create(network, options), Tensor: runtime.Tensor }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SetupError('model_unreadable', `onnxModel: ${path}: expected an ONNX network, got: ${why}`, {
      cause,
    })
  }
}
