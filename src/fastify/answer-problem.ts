import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../core/fault.ts'
import { problemOf } from '../core/problem.ts'
import { Refusal } from '../core/refusal.ts'
import { noteProblem } from '../guard/exchange/attached-exchange.ts'
import { lingerOverBody } from '../guard/node/lingering-close.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** How problems of some paths are written; undefined: as every other. */
    [problemForm]?: FormProblem
  }
}

const problemForm: unique symbol = Symbol('form of problems')

/** Writes the problem of a request in a form of its own; undefined: as RFC 9457 has it. */
export type FormProblem = (
  request: FastifyRequest,
  thrown: Refusal | Fault,
) =>
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  | undefined

/** Has the problems of an app's requests written in another form where this says so. */
export function formProblems(app: FastifyInstance, form: FormProblem): void {
  app.decorate(problemForm, form)
}

/** Answers with the problem of a refusal or a fault, without waiting for an unread body. */
export function answerProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: Refusal | Fault,
): FastifyReply {
  const formed = request.server[problemForm]?.(request, thrown)
  const { status, headers, body } = formed ?? writeProblem(thrown, request.id)
  noteProblem(request, thrown)
  closeOverBody(request, reply)
  // As bytes: Fastify adds a charset to the type of text, and JSON has none (RFC 8259 §11).
  return reply
    .code(status)
    .headers({ ...headers, 'x-request-id': request.id })
    .send(Buffer.from(body))
}

function writeProblem(thrown: Refusal | Fault, requestId: string): ReturnType<FormProblem> & object {
  const { status, headers, body } = problemOf(thrown, requestId)
  return { status, headers, body: JSON.stringify(body) }
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
