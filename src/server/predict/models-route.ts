import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { defaultScope, modelScope } from '../../core/scope.ts'
import type { Demand } from '../../guard/demand.ts'
import type { ServedModel } from '../../models/model.ts'
import { modelPaths } from './model-routes.ts'

const modelView = z.object({
  name: z.string().describe('Stands in the path, in the scope `predict:NAME` and in answers.'),
  version: z.string().describe('Changes whenever an answer may change.'),
  input: z.enum(['text', 'json']).describe('What an input is: `{"text"}`, or any JSON as `{"input"}`.'),
  path: z.string().describe('Where it is asked.'),
  is_default: z.boolean().describe('Whether `POST /predict` asks it.'),
})

const example = {
  models: [
    {
      name: 'sentiment',
      version: 'sentiment-1',
      input: 'text',
      path: '/models/sentiment/predict',
      is_default: true,
    },
  ],
}

/** `GET /models`: the models that the key may ask, and no others. */
export function addModelsRoute(app: FastifyInstance, models: ReadonlyMap<string, ServedModel>): void {
  const [first] = models.values()
  const views = modelPaths(models)
    .slice(1)
    .map(({ path, model }) => ({ ...viewOf(model), path, is_default: model === first }))
  const guard: Demand = { anyScope: [defaultScope, ...[...models.keys()].map(modelScope)], billable: false }
  const schema = {
    operationId: 'listModels',
    summary: 'List the models that the key may ask',
    tags: ['predict'],
    describes: {
      answers: {
        200: { description: 'The models.', schema: z.object({ models: z.array(modelView) }), example },
      },
    },
  }
  app.get('/models', { config: { guard }, schema }, async ({ caller: { scopes } }) => ({
    models: scopes.includes(defaultScope)
      ? views
      : views.filter(({ name }) => scopes.includes(modelScope(name))),
  }))
}

function viewOf({ name, version, input }: ServedModel): Pick<ServedModel, 'name' | 'version' | 'input'> {
  return { name, version, input }
}
