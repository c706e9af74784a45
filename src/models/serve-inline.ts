import { callModel } from './call-model.ts'
import { declarationOf } from './check-model.ts'
import { isJsonValue } from './json-value.ts'
import type { Model } from './model.ts'
import type { ServedModel } from './model-runtime.ts'
import { predictInSlices } from './predict-in-slices.ts'

export interface ServeInlineOptions {
  /** For a model that names none, in milliseconds. */
  readonly deadlineMs: number
  /** Whether an output may be written as it is. @default any JSON value */
  readonly isOutput?: (output: unknown) => output is unknown
}

const idle = { waiting: 0, running: 0 } as const

/**
 * A checked model that answers on the calling thread. A model that answers at once costs no timer
 * and no promise.
 */
export function serveInline<Input>(model: Model<Input, unknown>, options: ServeInlineOptions): ServedModel {
  const declared = declarationOf(model as Model<never>)
  const { name, version, runs, input, batchMax, deadlineMs = options.deadlineMs } = declared
  const isOutput = options.isOutput ?? ((output: unknown): output is unknown => isJsonValue(output))
  const called = model as Model<unknown, unknown>

  const predict = predictInSlices({ batchMax, deadlineMs }, (slice, asked) => {
    asked.signal?.throwIfAborted()
    return callModel(called, slice, { ...asked, isOutput })
  })
  return { name, version, input, runs, batchMax, deadlineMs, predict, load: () => idle }
}
