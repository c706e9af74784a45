import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Refusal } from '../../core/refusal.ts'
import { formProblems } from '../../fastify/answer-problem.ts'
import { problemIn } from '../../gateway/dialects/problem-in.ts'
import { addGatewayRoutes } from './gateway-routes.ts'
import type { GatewayRoutesDeps } from './gateway-routes-deps.ts'

/** Puts model servers behind the app: their routes, and problems in their clients' dialects. */
export function serveGateway(app: FastifyInstance, deps: GatewayRoutesDeps): void {
  const { routes } = deps.gateway
  formProblems(app, (request, thrown) => {
    const dialect = routes.dialectOf(pathOf(request))
    return dialect && problemIn(dialect, thrown, request.id)
  })
  app.addHook('onRequest', function closeManagement(request, _reply, done) {
    const isClosed = request.is404 && routes.isManagement(pathOf(request))
    done(isClosed ? new Refusal('route_closed') : undefined)
  })
  addGatewayRoutes(app, deps)
}

function pathOf({ url }: FastifyRequest): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}
