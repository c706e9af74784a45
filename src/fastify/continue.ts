import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { continueOnRead } from '../guard/node/continue-on-read.ts'

/** Servers that have been told: the plugin may guard several parts of one app. */
const held = new WeakSet<Server>()

/**
 * Takes the `100 Continue` out of Node's hands, which would send it before anybody has looked at the key. Fastify reads a body after its
 * hooks, and not at all where its announced length is over the limit.
 */
export function holdContinue(app: FastifyInstance): void {
  const server: Server = app.server
  if (held.has(server)) return
  held.add(server)
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    continueOnRead(request, response)
    app.routing(request, response)
  })
  // Any other expectation may be ignored; Node's own 417 would come before the guard and without a problem.
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    app.routing(request, response)
  })
}
