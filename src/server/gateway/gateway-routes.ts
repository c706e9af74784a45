import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from '../../core/refusal.ts'
import type { Gateway } from '../../gateway/create-gateway.ts'
import { anyModelScopes } from '../../gateway/directory/model-directory.ts'
import type { OpenRoute } from '../../gateway/routes/open-route.ts'
import type { Demand } from '../../guard/demand.ts'
import type { Ward } from '../../ward/ward.ts'
import { adminOr } from '../api/admin-or.ts'
import type { ByteBudget } from '../http/byte-budget.ts'
import { holdBody } from '../http/bytes-in-flight.ts'
import { readPreferences } from '../predict/prefer.ts'
import { answerModel, answerModels } from './model-list.ts'

export interface GatewayRoutesDeps {
  readonly ward: Ward
  readonly gateway: Gateway
  readonly budget: ByteBudget
}

/** The routes of the upstreams, with a body that stays bytes and a limit of its own. */
export function addGatewayRoutes(app: FastifyInstance, deps: GatewayRoutesDeps): void {
  const { gateway } = deps
  app.get('/v1/upstreams', { config: { guard: adminOr() } }, () => ({
    upstreams: gateway.upstreams(),
  }))
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    )
    for (const route of gateway.routes.open)
      scope.route({
        method: route.method,
        url: route.routerPath,
        bodyLimit: gateway.settings.bodyMax,
        exposeHeadRoute: false,
        config: { guard: demandOf(route) },
        schema: { hide: true } as object,
        handler: (request, reply) => answerRoute(deps, route, request, reply),
      })
  })
}

/** Before the body: any model will do, until the body says which. */
function demandOf({ scope, answeredBy }: OpenRoute): Demand {
  return { anyScope: scope === undefined ? anyModelScopes : [scope], billable: answeredBy === 'upstream' }
}

function answerRoute(
  deps: GatewayRoutesDeps,
  route: OpenRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { gateway } = deps
  if (route.answeredBy === 'model list') return answerModels(gateway, route, request)
  if (route.answeredBy === 'model') return answerModel(gateway, route, request)
  return forward(deps, route, request, reply)
}

async function forward(
  { ward, gateway, budget }: GatewayRoutesDeps,
  route: OpenRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { raw: message, body } = request
  const { raw: response } = reply
  const exchange = ward.guard.find(request)
  if (exchange === undefined) throw new TypeError('no guard of this ward has seen the request')
  refuseRepeats(request)
  const holder = { request: message, response, owner: exchange.known?.owner ?? request.ip }
  let held = 0
  let hasTaken = false
  await gateway.forward(
    {
      request: message,
      response,
      exchange,
      route,
      pattern: route.path,
      body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      headers: headersOf(reply),
      hold(bytes) {
        // Small pieces count together, as soon as there are enough of them.
        if (bytes - held < heldAtOnce) return true
        try {
          holdBody(budget, bytes - held, holder)
          held = bytes
          return true
        } catch {
          return false
        }
      },
    },
    () => {
      hasTaken = true
      exchange.isOwned = true
      reply.hijack()
    },
  )
  return hasTaken ? reply : undefined
}

/** Bytes that are held in one step; fewer would not count at all. */
const heldAtOnce = 16_384

/** What every answer carries already: its id, and what pages of other origins need to read it. */
function headersOf(reply: FastifyReply): Readonly<Record<string, string | number | readonly string[]>> {
  return Object.fromEntries(
    Object.entries(reply.getHeaders()).filter(([name]) => !/^(?:x-)?ratelimit/.test(name)),
  ) as Record<string, string>
}

/** Keeping an answer for a repeat, and jobs, are not here yet: neither is ignored in silence. */
function refuseRepeats({ headers }: FastifyRequest): void {
  if (readPreferences(headers['prefer']).isAsync)
    throw refusedHeader(
      'prefer',
      'Calls of a model server are answered at once: send no Prefer: respond-async.',
    )
  if (headers['idempotency-key'] !== undefined)
    throw refusedHeader('idempotency-key', 'Calls of a model server take no Idempotency-Key.')
}

function refusedHeader(name: string, detail: string): Refusal {
  return new Refusal('input_invalid', detail, {
    errors: [{ loc: ['header', name], msg: 'Expected no such header here', type: 'not_allowed' }],
  })
}
