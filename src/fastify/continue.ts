import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Requests whose client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1). */
const awaiting = new WeakSet<IncomingMessage>()

/** Servers that have been told: the plugin may guard several parts of one app. */
const held = new WeakSet<Server>()

/** Takes the `100 Continue` out of Node's hands, which would send it before anybody has looked at the key. */
export function holdContinue(app: FastifyInstance): void {
  const server: Server = app.server
  if (held.has(server)) return
  held.add(server)
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    awaiting.add(request)
    app.routing(request, response)
  })
  // Any other expectation may be ignored; Node's own 417 would come before the guard and without a problem.
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    app.routing(request, response)
  })
}

/** Lets the client send the body, unless it has announced one that will be refused for its length. */
export function sendContinue(request: FastifyRequest, reply: FastifyReply): void {
  if (!awaiting.delete(request.raw)) return
  const length = Number(request.headers['content-length'] ?? 0)
  if (length <= request.routeOptions.bodyLimit) reply.raw.writeContinue()
}
