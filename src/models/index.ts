/**
 * Models: what a module of one exports, adapters for local files, and the runtime that threads and
 * batches them.
 */
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
export { createModelRuntime, type ModelRuntimeOptions } from './create-model-runtime.ts'
export type { Model, ModelCall } from './model.ts'
export type { ModelLoad, ModelRuntime, PredictOptions, ServedModel } from './model-runtime.ts'
