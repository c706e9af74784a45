import type { Maybe } from '../../core/after.ts'
import type { WrittenJson } from '../../core/written-json.ts'
import type { ServedModel } from '../../models/model.ts'
import type { DirectEndpoint, DirectRequest } from '../http/direct-listener.ts'
import { modelPaths } from './model-routes.ts'
import { readPredictInput, readWebhook, webhookWithoutJob } from './predict-input.ts'
import { predictDemand } from './predict-route.ts'
import { askModel, takeCharacters } from './prediction.ts'

interface DirectPredictionOptions {
  readonly bodyMax: number
  readonly textMax: number
}

const noQuery = {}

/** One text for a model, past the framework: as `addPredictRoute` answers it; by their paths. */
export function directPredictions(
  models: ReadonlyMap<string, ServedModel>,
  { bodyMax, textMax }: DirectPredictionOptions,
): readonly (readonly [string, DirectEndpoint])[] {
  const rules = { kind: 'text', textMax } as const

  function predict(
    model: ServedModel,
    body: unknown,
    { exchange, response }: DirectRequest,
  ): Maybe<WrittenJson> {
    const input = readPredictInput(body, noQuery, rules)
    if (readWebhook(body) !== undefined) throw webhookWithoutJob()
    const taking = takeCharacters(exchange.usage, [input])
    const ask = (): Maybe<WrittenJson> => askModel(model, [input], exchange.known?.owner, response)
    return taking === undefined ? ask() : taking.then(ask)
  }

  return modelPaths(models)
    .filter(({ model }) => model.input === 'text')
    .map(({ path, route, model }) => [
      path,
      {
        route,
        demand: predictDemand(model),
        bodyMax,
        answer: (body, admitted) => predict(model, body, admitted),
      },
    ])
}
