/**
 * Models: what a module of one exports, adapters for local files, and the runtime that threads and
 * batches them.
 */
import '../core/runtime/require-node.ts'

export { Refusal } from '../core/refusal.ts'
export type { AdaptedModelOptions } from './adapters/adapted-model.ts'
export {
  type OnnxModelOptions,
  type OnnxRuntime,
  type OnnxSession,
  type OnnxTensor,
  type OnnxTensorInput,
  onnxModel,
} from './adapters/onnx-model.ts'
export {
  type TransformersModelOptions,
  type TransformersModule,
  type TransformersPipeline,
  transformersModel,
} from './adapters/transformers-model.ts'
export type { Model, ModelCall, ModelLoad, PredictOptions, ServedModel } from './model.ts'
export { createModelRuntime, type ModelRuntime, type ModelRuntimeOptions } from './model-runtime.ts'
