import type { JobModels } from '../jobs/run-attempt.ts'
import type { ServedModel } from '../models/model-runtime.ts'
import { predictionOf } from './prediction.ts'

/** The served models as jobs ask them: what stands in a job's result is what the same request would have been answered at once. */
export function jobModelsOf(models: ReadonlyMap<string, ServedModel>): JobModels {
  return new Map(
    [...models].map(([name, model]) => {
      const { batchMax, deadlineMs } = model
      return [
        name,
        {
          batchMax,
          deadlineMs,
          async predict(inputs: readonly unknown[], { signal }: { readonly signal: AbortSignal }) {
            const outputs = await model.predict(inputs, { signal })
            return outputs.map((output, index) => predictionOf(model, inputs[index], output))
          },
        },
      ]
    }),
  )
}
