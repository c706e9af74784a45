import { inspect } from 'node:util'
import type { Usage } from '../../src/limits/usage/usage.ts'
import { callerOf, guard, guardApp, usageOf } from '../../src/web/index.ts'
import type { AdapterApp, AdapterTarget } from './adapter-target.ts'
import { type AppRoute, healthRoute, predictRoute } from './app-routes.ts'
import { rawAnswerOf, webRequestOf } from './web-ask.ts'

type Handler = (request: Request) => Response | Promise<Response>

/** A handler of web-standard requests that finds its routes by their paths. */
export async function startWeb({ ward, routes, isBehindProxy }: AdapterApp): Promise<AdapterTarget> {
  const told: unknown[] = []
  const onFault = (fault: unknown): void => void told.push(fault)
  const all = [...routes, predictRoute, healthRoute]
  const handlers = new Map(
    all.map((route) => [`${route.method ?? 'GET'} ${route.path}`, handlerOf(ward, route, onFault)]),
  )
  const app = guardApp(
    (request) => {
      const method = request.method === 'HEAD' ? 'GET' : request.method
      const handler = handlers.get(`${method} ${new URL(request.url).pathname}`)
      return handler === undefined ? new Response('not there', { status: 404 }) : handler(request)
    },
    {
      ward,
      public: all.filter((route) => route.guard === 'public').map(({ path }) => `GET ${path}`),
      address: (request) => (isBehindProxy && request.headers.get('x-forwarded-for')) || '127.0.0.1',
      onFault,
    },
  )
  return {
    port: undefined,
    ask: async (request) => rawAnswerOf(await answer(() => app(webRequestOf(request)))),
    toldFaults: () => inspect(told, { depth: 9 }),
    close: async () => {},
  }
}

function handlerOf(
  ward: AdapterApp['ward'],
  { guard: demand, handle }: AppRoute,
  onFault: (fault: unknown) => void,
): Handler {
  const handler: Handler = async (request) => {
    const answer = await handle(
      () => callerOf(ward, request),
      () => usageOf(ward, request) as Usage,
      (costs) => ward.reserve(request, costs),
    )
    return Response.json(answer)
  }
  return demand === undefined || demand === 'public' ? handler : guard(ward, demand, handler, { onFault })
}

/** What a runtime does with an error that no handler answers. */
async function answer(work: () => Promise<Response>): Promise<Response> {
  try {
    return await work()
  } catch {
    return new Response('of the runtime', { status: 500 })
  }
}
