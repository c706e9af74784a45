import type { JobModel, JobModels } from '../../jobs/worker/run-attempt.ts'
import type { ServedModel } from '../../models/model.ts'
import { predictionOf } from './prediction.ts'

/**
 * The served models as jobs ask them: what stands in a job's result is what the same request would
 * have been answered at once.
 */
export function jobModelsOf(models: ReadonlyMap<string, ServedModel>): JobModels {
  return new Map(
    [...models].map(([name, model]) => {
      const { batchMax, concurrency } = model
      const job: JobModel = {
        batchMax,
        // The served model keeps its own.
        deadlineMs: Number.POSITIVE_INFINITY,
        concurrency,
        // At once where the model answers at once.
        predict(inputs, { signal }) {
          const answersOf = (outputs: readonly unknown[]): readonly unknown[] =>
            outputs.map((output, index) => predictionOf(model, inputs[index], output))
          const outputs = model.predict(inputs, { signal })
          return outputs instanceof Promise ? outputs.then(answersOf) : answersOf(outputs)
        },
      }
      return [name, job]
    }),
  )
}
