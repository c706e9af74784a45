import type { Adapter } from './adapter-target.ts'
import { startExpress4, startExpress5 } from './start-express.ts'
import { startFastify, startFastifyWithMiddleware, startServer } from './start-fastify.ts'
import { startHonoOnNode, startHonoRequest } from './start-hono.ts'
import { startWeb } from './start-web.ts'

/** The server, which the others are held against. */
export const server: Adapter = { name: 'the server', opens: 'routes', start: startServer }

export const adapters: readonly Adapter[] = [
  { name: 'Fastify', opens: 'routes', start: (app) => startFastify(app) },
  { name: 'Fastify with middleware of Express', opens: 'routes', start: startFastifyWithMiddleware },
  { name: 'Hono on Node', opens: 'paths', start: startHonoOnNode },
  { name: 'Hono by app.request', opens: 'paths', start: startHonoRequest },
  { name: 'Express 5', opens: 'paths', start: startExpress5 },
  { name: 'Express 4', opens: 'paths', start: startExpress4 },
  { name: 'a web-standard handler', opens: 'paths', start: startWeb },
]
