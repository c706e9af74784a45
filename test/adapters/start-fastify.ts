import type { AddressInfo } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import { callerOf, modelward, usageOf } from '../../src/fastify/index.ts'
import type { Usage } from '../../src/limits/usage/usage.ts'
import { createApp } from '../../src/server/create-app.ts'
import { exchange, formatRequest } from '../parity/raw-http.ts'
import { openAppParts } from '../support/app-parts.ts'
import { appOptions, constantModel } from '../support/test-app.ts'
import type { AdapterApp, AdapterTarget } from './adapter-target.ts'
import { type AppRoute, early, healthRoute, predictRoute } from './app-routes.ts'

/** The server, with routes added to it. */
export async function startServer({
  ward,
  routes,
  isBehindProxy = false,
}: AdapterApp): Promise<AdapterTarget> {
  const lines: string[] = []
  const logStream = { write: (line: string) => void lines.push(line) }
  const parts = await openAppParts(ward, { models: [constantModel] })
  const app = await createApp(parts, {
    ...appOptions,
    trustProxy: isBehindProxy ? ['127.0.0.0/8'] : [],
    logLevel: 'error',
    logStream,
  })
  addRoutes(app, ward, routes)
  return listening(app, lines)
}

/** A user's own Fastify app, which has routes before the plugin and after it. */
export async function startFastify(
  { ward, routes, isBehindProxy = false }: AdapterApp,
  addMiddleware: (app: FastifyInstance) => void = () => {},
): Promise<AdapterTarget> {
  const lines: string[] = []
  const logger = { level: 'error', stream: { write: (line: string) => void lines.push(line) } }
  const app: FastifyInstance = fastify({ logger, trustProxy: isBehindProxy && '127.0.0.1' })
  app.addHook('onRequest', async (_request, reply) => void reply.header(early.name, early.value))
  const [first, ...others] = [...routes, predictRoute, healthRoute]
  if (first !== undefined) addRoutes(app, ward, [first])
  await app.register(modelward, { ward })
  addMiddleware(app)
  addRoutes(app, ward, others)
  return listening(app, lines)
}

/** The same app with `@fastify/middie`, as each app of NestJS has it. */
export function startFastifyWithMiddleware(app: AdapterApp): Promise<AdapterTarget> {
  return startFastify(app, (fastify) => void fastify.decorate('use', () => fastify))
}

function addRoutes(app: FastifyInstance, ward: AdapterApp['ward'], routes: readonly AppRoute[]): void {
  const add = (scope: FastifyInstance, { method = 'GET', guard, handle }: AppRoute, url: string): void => {
    scope.route({
      method,
      url,
      ...(guard !== undefined && { config: { guard } }),
      handler: async (request, reply) => {
        const answer = await handle(
          () => callerOf(ward, request),
          () => usageOf(ward, request) as Usage,
          (costs) => ward.reserve(request, costs),
        )
        return reply.send(typeof answer === 'string' ? JSON.stringify(answer) : answer)
      },
    })
  }
  for (const route of routes) {
    if (route.isInSubApp !== true) {
      add(app, route, route.path)
      continue
    }
    const [, prefix = '', rest = ''] = /^(\/[^/]+)(\/.*)$/.exec(route.path) ?? []
    app.register(async (scope) => add(scope, route, rest), { prefix })
  }
}

async function listening(app: FastifyInstance, lines: readonly string[]): Promise<AdapterTarget> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return {
    port,
    ask: (request) => exchange(port, formatRequest(request)),
    toldFaults: () => lines.join(''),
    async close() {
      app.server.closeAllConnections()
      await app.close()
    },
  }
}
