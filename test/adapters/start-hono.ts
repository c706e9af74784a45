import type { Server } from 'node:http'
import { inspect } from 'node:util'
import { createAdaptorServer } from '@hono/node-server'
import { type Handler, Hono } from 'hono'
import { callerOf, guard, guardApp, usageOf } from '../../src/hono/index.ts'
import type { Usage } from '../../src/limits/usage/usage.ts'
import type { AdapterApp, AdapterTarget } from './adapter-target.ts'
import { type AppRoute, early, healthRoute, predictRoute } from './app-routes.ts'
import { listen } from './listen.ts'
import { rawAnswerOf, webRequestOf } from './web-ask.ts'

/** On Node, by `@hono/node-server`; it leaves `Expect: 100-continue` to the app. */
export async function startHonoOnNode(parts: AdapterApp): Promise<AdapterTarget> {
  const told: unknown[] = []
  const app = createHono(parts, told)
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  server.on('checkContinue', (request, response) => server.emit('request', request, response))
  return { ...(await listen(server)), toldFaults: () => inspect(told, { depth: 9 }) }
}

/** Called by `app.request`, as in a runtime that has no Node request under it. */
export async function startHonoRequest(parts: AdapterApp): Promise<AdapterTarget> {
  const told: unknown[] = []
  const app = createHono(parts, told)
  return {
    port: undefined,
    ask: async (request) => rawAnswerOf(await app.request(webRequestOf(request))),
    toldFaults: () => inspect(told, { depth: 9 }),
    close: async () => {},
  }
}

function createHono({ ward, routes, isBehindProxy }: AdapterApp, told: unknown[]): Hono {
  const onFault = (fault: unknown): void => void told.push(fault)
  const all = [...routes, predictRoute, healthRoute]
  const app = guardApp(new Hono(), {
    ward,
    public: all.filter((route) => route.guard === 'public').map(({ path }) => `GET ${path}`),
    before: [
      async (c, next) => {
        c.header(early.name, early.value)
        await next()
      },
    ],
    address: (c) => (isBehindProxy && c.req.header('x-forwarded-for')) || '127.0.0.1',
    onFault,
  }) as unknown as Hono
  // Without this Hono prints every error that is not a refusal to the console.
  app.onError((error, c) => {
    told.push(error)
    return c.text('of the app', 500)
  })
  for (const route of all) {
    if (route.isInSubApp !== true) {
      add(app, { ward, onFault }, route, route.path)
      continue
    }
    const [, prefix = '', rest = ''] = /^(\/[^/]+)(\/.*)$/.exec(route.path) ?? []
    const sub = new Hono()
    add(sub, { ward, onFault }, route, rest)
    app.route(prefix, sub)
  }
  return app
}

interface Guarding {
  readonly ward: AdapterApp['ward']
  readonly onFault: (fault: unknown) => void
}

function add(app: Hono, { ward, onFault }: Guarding, route: AppRoute, path: string): void {
  const { method = 'GET', guard: demand, handle } = route
  const handler: Handler = async (c) => {
    const answer = await handle(
      () => callerOf(ward, c),
      () => usageOf(ward, c) as Usage,
      (costs) => ward.reserve(c, costs),
    )
    return c.json(answer as string)
  }
  if (demand === undefined || demand === 'public') app.on(method, path, handler)
  else app.on(method, path, guard(ward, demand, { onFault }) as never, handler)
}
