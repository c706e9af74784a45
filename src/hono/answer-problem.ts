import type { Context } from 'hono'
import type { StatusCode } from 'hono/utils/http-status'
import { Fault } from '../core/fault.ts'
import { problemOf } from '../core/problem.ts'
import { Refusal } from '../core/refusal.ts'
import { findExchange, noteProblem } from '../guard/exchange.ts'
import { lingerOverBody } from '../guard/node/lingering-close.ts'
import { incomingOf } from './hono-head.ts'

/** Called for a fault, for a log. */
export type FaultListener = (fault: Fault) => void

/**
 * The answer to a refusal or a fault, as a problem, without waiting for an unread body, and with
 * the headers that middleware has set so far. Two guards around one handler answer the same
 * problem, and report it once.
 */
export function answerProblem(c: Context, thrown: Refusal | Fault, onFault: FaultListener): Response {
  const exchange = findExchange(c)
  if (thrown instanceof Fault && exchange?.problem !== thrown) onFault(thrown)
  noteProblem(c, thrown)
  const requestId = exchange?.id ?? crypto.randomUUID()
  const { status, headers, body } = problemOf(thrown, requestId)
  const text = JSON.stringify(body)
  const init = { status: status as StatusCode, headers: { ...headers, 'x-request-id': requestId } }
  // The headers of an answer that is there are about its own body too: `answerCaught` chooses.
  const response = c.finalized ? new Response(text, init) : c.newResponse(text, init)
  const incoming = incomingOf(c)
  if (incoming !== undefined && lingerOverBody(incoming)) response.headers.set('connection', 'close')
  return response
}

/** Headers about the body of the answer that ours replaces. */
const ofBody = ['content-length', 'content-encoding', 'content-type']

/**
 * Answers a refusal or a fault that a handler threw. Hono has caught it by now, and has an answer
 * of its own, whose other headers stay: CORS's are among them.
 */
export function answerCaught(c: Context, onFault: FaultListener): void {
  const { error } = c
  if (!(error instanceof Refusal || error instanceof Fault)) return
  const response = answerProblem(c, error, onFault)
  const answeredWith = new Set(response.headers.keys())
  for (const [name, value] of c.res.headers)
    if (!answeredWith.has(name) && !ofBody.includes(name)) response.headers.append(name, value)
  replaceResponse(c, response)
}

/** Unset first: Hono would lay the headers of the response that was there over the other's. */
export function replaceResponse(c: Context, response: Response): void {
  c.res = undefined
  c.res = response
}
