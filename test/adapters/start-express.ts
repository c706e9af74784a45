import { createServer } from 'node:http'
import { inspect } from 'node:util'
import express, { type Express, type RequestHandler, type Response, type Router } from 'express'
import express4 from 'express-4'
import { callerOf, guard, guardApp, problems, usageOf } from '../../src/express/index.ts'
import type { Usage } from '../../src/limits/usage/usage.ts'
import type { AdapterApp, AdapterTarget } from './adapter-target.ts'
import { type AppRoute, early, healthRoute, predictRoute } from './app-routes.ts'
import { listen } from './listen.ts'

export function startExpress5(parts: AdapterApp): Promise<AdapterTarget> {
  return start(express, parts)
}

export function startExpress4(parts: AdapterApp): Promise<AdapterTarget> {
  return start(express4, parts)
}

async function start(
  create: typeof express,
  { ward, routes, isBehindProxy }: AdapterApp,
): Promise<AdapterTarget> {
  const told: unknown[] = []
  const onFault = (fault: unknown): void => void told.push(fault)
  const all = [...routes, predictRoute, healthRoute]
  const open = all.filter((route) => route.guard === 'public').map(({ path }) => `GET ${path}`)
  const before: RequestHandler[] = [
    (_request, response, next) => {
      response.set(early.name, early.value)
      next()
    },
  ]
  const app: Express = guardApp(create(), { ward, public: open, before, onFault })
  if (isBehindProxy) app.set('trust proxy', 'loopback')
  for (const route of all) {
    if (route.isInSubApp !== true) {
      add(app, { ward, onFault }, route, route.path)
      continue
    }
    const [, prefix = '', rest = ''] = /^(\/[^/]+)(\/.*)$/.exec(route.path) ?? []
    const sub = create.Router({ mergeParams: true })
    add(sub, { ward, onFault }, route, rest)
    app.use(prefix, sub)
  }
  app.use(problems(onFault))
  app.use((_error: unknown, _request: unknown, response: Response, _next: unknown) => {
    response.status(500).send('of the app')
  })
  const server = createServer(app).on('checkContinue', app)
  return { ...(await listen(server)), toldFaults: () => inspect(told, { depth: 9 }) }
}

interface Guarding {
  readonly ward: AdapterApp['ward']
  readonly onFault: (fault: unknown) => void
}

function add(app: Express | Router, { ward, onFault }: Guarding, route: AppRoute, path: string): void {
  const { method = 'GET', guard: demand, handle } = route
  const guards = demand === undefined || demand === 'public' ? [] : [guard(ward, demand, { onFault })]
  const at = app.route(path)
  const declare = (method === 'GET' ? at.get : at.post).bind(at)
  declare(...(guards as never[]), (_request, response, next) => {
    const answer = handle(
      () => callerOf(ward, response),
      () => usageOf(ward, response) as Usage,
      (costs) => ward.reserve(response, costs),
    )
    Promise.resolve(answer).then((settled) => response.json(settled), next)
  })
}
