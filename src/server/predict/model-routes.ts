import type { FastifyInstance } from 'fastify'
import type { ServedModel } from '../../models/model.ts'
import { addBatchRoute } from './batch-route.ts'
import { addPredictRoute } from './predict-route.ts'
import type { PredictDeps } from './prediction.ts'

/** `/predict` asks the first model, `/models/{name}/predict` each. */
export function addModelRoutes(
  app: FastifyInstance,
  models: ReadonlyMap<string, ServedModel>,
  deps: PredictDeps,
): void {
  const [first] = models.values()
  if (first !== undefined) addRoutes('', first)
  for (const [name, model] of models) addRoutes(`/models/${escapeName(name)}`, model)

  function addRoutes(prefix: string, model: ServedModel): void {
    addPredictRoute(app, `${prefix}/predict`, model, deps)
    addBatchRoute(app, `${prefix}/predict/batch`, model, deps)
  }
}

/** A colon begins a parameter of a route; two stand for one. */
function escapeName(name: string): string {
  return name.replaceAll(':', '::')
}
