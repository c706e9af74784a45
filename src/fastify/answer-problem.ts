import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../core/fault.ts'
import { problemOf } from '../core/problem.ts'
import { Refusal } from '../core/refusal.ts'
import { noteProblem } from '../guard/attached-exchange.ts'
import { lingerOverBody } from '../guard/node/lingering-close.ts'

/** Answers with the problem of a refusal or a fault, without waiting for an unread body. */
export function answerProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: Refusal | Fault,
): FastifyReply {
  const { status, headers, body } = problemOf(thrown, request.id)
  noteProblem(request, thrown)
  closeOverBody(request, reply)
  // As bytes: Fastify adds a charset to the type of text, and JSON has none (RFC 8259 §11).
  return reply
    .code(status)
    .headers({ ...headers, 'x-request-id': request.id })
    .send(Buffer.from(JSON.stringify(body)))
}

/**
 * Answers a refusal or a fault that was thrown; any other error is thrown on, to the handler around
 * this one.
 */
export function answerThrown(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  if (thrown instanceof Fault)
    request.log.error({ err: errorToLog(thrown), code: thrown.code }, thrown.message)
  else if (!(thrown instanceof Refusal)) throw thrown
  return answerProblem(request, reply, thrown)
}

/**
 * What to log of a fault: its cause where that is an error. Any other value may hold anything, or
 * not be loggable.
 */
export function errorToLog(fault: Fault): Error {
  return fault.cause instanceof Error ? fault.cause : fault
}

/** Closes the connection after this answer where the request's body is still arriving. */
export function closeOverBody(request: FastifyRequest, reply: FastifyReply): void {
  if (lingerOverBody(request.raw)) reply.header('connection', 'close')
}
