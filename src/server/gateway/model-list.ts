import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway/create-gateway.ts'
import type { OpenRoute } from '../../gateway/routes/open-route.ts'

/** The public names that a key may use, in the form of the route's dialect. */
export async function answerModels(
  gateway: Gateway,
  route: OpenRoute,
  request: FastifyRequest,
): Promise<unknown> {
  const names = await gateway.modelsFor(request.caller.scopes, route)
  return route.dialect === 'ollama'
    ? { models: names.map(ollamaModel) }
    : { object: 'list', data: names.map(openaiModel) }
}

/**
 * One of them, by any spelling that a call may have.
 *
 * @throws Refusal `model_not_found` for every other
 */
export async function answerModel(
  gateway: Gateway,
  route: OpenRoute,
  request: FastifyRequest,
): Promise<unknown> {
  const { id } = request.params as { readonly id: string }
  return openaiModel(await gateway.modelFor(request.caller.scopes, route, id))
}

function openaiModel(id: string): object {
  return { id, object: 'model', created: 0, owned_by: 'modelward' }
}

/** What its clients expect beside the name says nothing of the upstream. */
function ollamaModel(name: string): object {
  return { name, model: name, modified_at: '1970-01-01T00:00:00Z', size: 0, digest: '', details: {} }
}
