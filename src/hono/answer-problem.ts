import type { Context } from 'hono'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import { findExchange, noteProblem } from '../guard/exchange/attached-exchange.ts'
import { lingerOverBody } from '../guard/node/lingering-close.ts'
import { problemResponse } from '../guard/web/recorded-response.ts'
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
  const response = problemResponse(thrown, exchange?.id ?? crypto.randomUUID())
  // Those of an answer that is there are `answerCaught`'s.
  if (!c.finalized) addHeaders(response, c.newResponse(null).headers)
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
  addHeaders(response, c.res.headers)
  replaceResponse(c, response)
}

/** Adds headers that the response has not, each as often as it is there. */
function addHeaders(response: Response, headers: Headers): void {
  const before = new Set(response.headers.keys())
  for (const [name, value] of headers)
    if (!before.has(name) && !ofBody.includes(name)) response.headers.append(name, value)
}

/** Unset first: Hono would lay the headers of the response that was there over the other's. */
export function replaceResponse(c: Context, response: Response): void {
  c.res = undefined
  c.res = response
}
