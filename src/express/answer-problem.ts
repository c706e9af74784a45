import { randomUUID } from 'node:crypto'
import type { ErrorRequestHandler, Request, Response } from 'express'
import { Fault } from '../core/fault.ts'
import { problemOf } from '../core/problem.ts'
import { Refusal } from '../core/refusal.ts'
import { noteProblem } from '../guard/exchange/attached-exchange.ts'
import { lingerOverBody } from '../guard/node/lingering-close.ts'

/** Called for a fault, for a log. */
export type FaultListener = (fault: Fault) => void

/** Answers with the problem of a refusal or a fault, without waiting for an unread body. */
export function answerProblem(request: Request, response: Response, thrown: Refusal | Fault): void {
  noteProblem(response, thrown)
  const id = response.getHeader('x-request-id')
  const requestId = typeof id === 'string' ? id : randomUUID()
  const { status, headers, body } = problemOf(thrown, requestId)
  const text = JSON.stringify(body)
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.setHeader('x-request-id', requestId)
  response.setHeader('content-length', Buffer.byteLength(text))
  if (lingerOverBody(request)) response.setHeader('connection', 'close')
  response.end(text)
}

/**
 * Answers a `Refusal` or a `Fault` that a handler threw as a problem, and leaves every other error
 * to the next error handler. As any error handler of Express it comes after the routes.
 *
 * @param onFault called for each fault, whose cause no client sees; `console.error` by default
 * @example
 * app.use(problems())
 */
export function problems(onFault: FaultListener = console.error): ErrorRequestHandler {
  return function modelwardProblems(error: unknown, request, response, next) {
    const isOurs = error instanceof Refusal || error instanceof Fault
    if (!isOurs || response.headersSent) {
      next(error)
      return
    }
    if (error instanceof Fault) onFault(error)
    answerProblem(request, response, error)
  }
}
