import { callModel } from './call-model.ts'
import { declarationOf } from './check-model.ts'
import { isJsonValue } from './json-value.ts'
import type { Model } from './model.ts'
import type { PredictOptions, ServedModel } from './model-runtime.ts'
import { predictInSlices } from './predict-in-slices.ts'

export interface ServeInlineOptions {
  /** For a model that names none, in milliseconds. */
  readonly deadlineMs: number
  /** Whether an output may be written as it is. @default any JSON value */
  readonly isOutput?: (output: unknown) => output is unknown
}

const idle = { waiting: 0, running: 0 } as const

/** A checked model that answers on the calling thread. A model that answers at once costs no timer and no promise. */
export function serveInline<Input>(model: Model<Input, unknown>, options: ServeInlineOptions): ServedModel {
  const declared = declarationOf(model as Model<never>)
  const { name, version, runs, input, batchMax, deadlineMs = options.deadlineMs } = declared
  const isOutput = options.isOutput ?? ((output: unknown): output is unknown => isJsonValue(output))
  const asked = model as Model<unknown, unknown>

  function predict(
    inputs: readonly unknown[],
    given: PredictOptions = {},
  ): ReturnType<ServedModel['predict']> {
    given.signal?.throwIfAborted()
    if (inputs.length <= batchMax)
      return callModel(asked, inputs, { ...given, deadlineMs: given.deadlineMs ?? deadlineMs, isOutput })
    const dueAt = performance.now() + (given.deadlineMs ?? deadlineMs)
    return predictInSlices(inputs, batchMax, (slice) =>
      callModel(asked, slice, { ...given, deadlineMs: Math.max(1, dueAt - performance.now()), isOutput }),
    )
  }

  return { name, version, input, runs, batchMax, deadlineMs, predict, load: () => idle }
}
