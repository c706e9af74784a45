import type { FastifyInstance } from 'fastify'
import type { ServedModel } from '../../models/model.ts'
import { addBatchRoute } from './batch-route.ts'
import { addPredictRoute } from './predict-route.ts'
import type { PredictDeps } from './prediction.ts'

/** Where a model answers: its path, and that path as Fastify names the route. */
export interface ModelPath {
  readonly path: string
  readonly route: string
  readonly model: ServedModel
}

/** `/predict` asks the first model, `/models/{name}/predict` each. */
export function modelPaths(models: ReadonlyMap<string, ServedModel>): readonly ModelPath[] {
  const [first] = models.values()
  const named = [...models].map(([name, model]) => ({
    path: `/models/${name}/predict`,
    route: `/models/${escapeName(name)}/predict`,
    model,
  }))
  return first === undefined ? [] : [{ path: '/predict', route: '/predict', model: first }, ...named]
}

export function addModelRoutes(
  app: FastifyInstance,
  models: ReadonlyMap<string, ServedModel>,
  deps: PredictDeps,
): void {
  for (const { route, model } of modelPaths(models)) {
    addPredictRoute(app, route, model, deps)
    addBatchRoute(app, `${route}/batch`, model, deps)
  }
}

/** A colon begins a parameter of a route; two stand for one. */
function escapeName(name: string): string {
  return name.replaceAll(':', '::')
}
