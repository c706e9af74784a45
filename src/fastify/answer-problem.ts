import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../core/fault.ts'
import { problemOf } from '../core/problem.ts'
import { Refusal } from '../core/refusal.ts'
import { lingerOverBody } from '../guard/node/lingering-close.ts'
import { createRequestNote } from '../guard/request-note.ts'

/** What each request was last answered with, where that was a problem. */
const answered = createRequestNote<FastifyRequest, Refusal | Fault>('answered problem')

/** Code of the problem that a request was answered with; null where it was none. */
export function findAnsweredCode(request: FastifyRequest): string | null {
  return answered.get(request)?.code ?? null
}

/** Answers with the problem of a refusal or a fault, without waiting for a body that nobody has read. */
export function answerProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: Refusal | Fault,
): FastifyReply {
  const { status, headers, body } = problemOf(thrown, request.id)
  answered.set(request, thrown)
  closeOverBody(request, reply)
  // As bytes: Fastify adds a charset to the type of text, and JSON has none (RFC 8259 §11).
  return reply
    .code(status)
    .headers({ ...headers, 'x-request-id': request.id })
    .send(Buffer.from(JSON.stringify(body)))
}

/** Answers a refusal or a fault that was thrown; any other error is thrown on, to the handler around this one. */
export function answerThrown(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  if (thrown instanceof Fault)
    request.log.error({ err: errorToLog(thrown), code: thrown.code }, thrown.message)
  else if (!(thrown instanceof Refusal)) throw thrown
  return answerProblem(request, reply, thrown)
}

/** What happened, for a log: the cause where it is an error. Whatever else was thrown may hold anything, or not be writable at all. */
export function errorToLog(fault: Fault): Error {
  return fault.cause instanceof Error ? fault.cause : fault
}

/** Has the connection close after this answer where the request's body is still under way. */
export function closeOverBody(request: FastifyRequest, reply: FastifyReply): void {
  if (lingerOverBody(request.raw)) reply.header('connection', 'close')
}
