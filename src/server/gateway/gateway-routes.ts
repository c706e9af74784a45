import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { anyModelScopes } from '../../gateway/directory/model-directory.ts'
import type { OpenRoute } from '../../gateway/routes/open-route.ts'
import type { Demand } from '../../guard/demand.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import { adminOr } from '../api/admin-or.ts'
import { gatherBody } from '../http/gather-body.ts'
import { prefersAsync } from '../predict/prefer.ts'
import { holdCallBytes } from './call-bytes.ts'
import type { GatewayRoutesDeps } from './gateway-routes-deps.ts'
import { sendKept } from './keep-answer.ts'
import { answerModel, answerModels } from './model-list.ts'
import { readRepeats } from './repeats.ts'
import { submitCall } from './submit-call.ts'

/** The routes of the upstreams, with a body that stays bytes and a limit of its own. */
export function addGatewayRoutes(app: FastifyInstance, deps: GatewayRoutesDeps): void {
  const { gateway } = deps
  app.get('/v1/upstreams', { config: { guard: adminOr() } }, () => ({
    upstreams: gateway.upstreams(),
  }))
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/json', gatherBody)
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
  deps: GatewayRoutesDeps,
  route: OpenRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { ward, gateway } = deps
  const { raw: message } = request
  const { raw: response } = reply
  const exchange = ward.guard.find(request)
  if (exchange === undefined) throw new TypeError('no guard of this ward has seen the request')
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const repeats = await readRepeats(deps, route, request, body)
  const bytes = holdCallBytes(deps.budget, { request: message, response, owner: ownerOf(exchange, request) })
  const incoming = {
    request: message,
    response,
    exchange,
    route,
    pattern: route.path,
    body,
    headers: headersOf(reply),
    hold: bytes.hold,
  }
  // What only reads is answered at once, as a client's preference leaves it to a server.
  if (route.method === 'POST' && prefersAsync(request.headers['prefer']))
    return submitCall(deps, { incoming, idempotency: repeats?.idempotency }, request, reply)
  let hasAnswered = false
  const keeping = repeats && {
    streamRefusal: repeats.streamRefusal,
    async beginKeeping() {
      const keeper = await repeats.begin()
      if (!('status' in keeper)) return bytes.holdFor(keeper)
      // Its tokens were those of the first call.
      exchange.detail = { repeated: true }
      hasAnswered = true
      sendKept(reply, keeper)
      return 'answered' as const
    },
  }
  await gateway.forward({ ...incoming, ...keeping }, () => {
    hasAnswered = true
    exchange.isOwned = true
    reply.hijack()
  })
  return hasAnswered ? reply : undefined
}

function ownerOf({ known }: Exchange, { ip }: FastifyRequest): string {
  return known?.owner ?? ip
}

/** What every answer carries already: its id, and what pages of other origins need to read it. */
function headersOf(reply: FastifyReply): Readonly<Record<string, string | number | readonly string[]>> {
  return Object.fromEntries(
    Object.entries(reply.getHeaders()).filter(([name]) => !/^(?:x-)?ratelimit/.test(name)),
  ) as Record<string, string>
}
