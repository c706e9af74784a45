import { textOfJson, type WrittenJson } from '../../core/written-json.ts'
import type { JobModel, JobModels } from '../../jobs/worker/ask-model.ts'
import { turnCharactersMax } from '../../jobs/worker/turn-budget.ts'
import type { ServedModel } from '../../models/model.ts'

/**
 * The served models as jobs ask them: what stands in a job's result is what the same request would
 * have been answered at once.
 */
export function jobModelsOf(models: ReadonlyMap<string, ServedModel>): JobModels {
  return new Map([...models].map(([name, model]) => [name, jobModelOf(model)]))
}

function jobModelOf(model: ServedModel): JobModel {
  const { batchMax, concurrency, deadlineMs, runs } = model
  return {
    batchMax,
    concurrency,
    deadlineMs,
    sliceCharactersMax: runs === 'inline' ? turnCharactersMax : undefined,
    // At once where the model answers at once.
    predict(inputs, call) {
      const predictions = model.predictJson(inputs, call)
      return predictions instanceof Promise ? predictions.then(arrayOf) : arrayOf(predictions)
    },
  }
}

function arrayOf(predictions: WrittenJson): string {
  return `[${textOfJson(predictions)}]`
}
