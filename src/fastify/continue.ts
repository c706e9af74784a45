import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { continueOnRead } from '../guard/node/continue-on-read.ts'

/** Servers that are done: the plugin may guard several parts of one app. */
const done = new WeakSet<Server>()

/**
 * Sends `100 Continue` in place of Node, which would send it before the guard has looked at the
 * key. Fastify reads a body after its hooks, and not at all where its announced length is over the
 * limit.
 */
export function holdContinue(app: FastifyInstance): void {
  const server: Server = app.server
  if (done.has(server)) return
  done.add(server)
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    continueOnRead(request, response)
    app.routing(request, response)
  })
  // Any other expectation may be ignored; Node's own 417 would come before the guard and without a
  // problem.
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    app.routing(request, response)
  })
}
