import type { Context } from 'hono'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import { lingerOverBody } from '../guard/node/lingering-close.ts'
import { createRequestNote } from '../guard/request-note.ts'
import { problemResponse } from '../guard/web/problem-response.ts'
import { incomingOf } from './hono-head.ts'

/** Told of a fault, for a log. */
export type FaultListener = (fault: Fault) => void

interface Answered {
  readonly thrown: Refusal | Fault
  readonly requestId: string
}

/** What each request was last answered with, so that two guards around one handler tell the same, once. */
const answered = new WeakMap<Context, Answered>()

/** The ids of requests that have no other. */
const requestIds = createRequestNote<Context, string>('request id')

/** Gives a request its id, if it has none, for its answer and its record. */
export function nameRequest(c: Context): string {
  const requestId = requestIdOf(c)
  requestIds.set(c, requestId)
  return requestId
}

/** Code of the problem that a request was answered with; null where it was none. */
export function findAnsweredCode(c: Context): string | null {
  return answered.get(c)?.thrown.code ?? null
}

/** The answer to a refusal or a fault, as a problem. A body that nobody has read is not waited for. */
export function answerProblem(c: Context, thrown: Refusal | Fault, onFault: FaultListener): Response {
  const earlier = answered.get(c)
  const isTold = earlier?.thrown === thrown
  const requestId = isTold ? earlier.requestId : requestIdOf(c)
  if (!isTold) answered.set(c, { thrown, requestId })
  if (!isTold && thrown instanceof Fault) onFault(thrown)
  const response = problemResponse(thrown, requestId)
  const incoming = incomingOf(c)
  if (incoming !== undefined && lingerOverBody(incoming)) response.headers.set('connection', 'close')
  return response
}

/** Headers that say something of the body that an answer had, and would be wrong of ours. */
const ofBody = ['content-length', 'content-encoding', 'content-type']

/**
 * Answers a refusal or a fault that a handler threw. Hono has caught it by now, and has an answer of its own, whose other headers stay:
 * CORS's are among them.
 */
export function answerCaught(c: Context, onFault: FaultListener): void {
  const { error } = c
  if (!(error instanceof Refusal || error instanceof Fault)) return
  const response = answerProblem(c, error, onFault)
  const answeredWith = new Set(response.headers.keys())
  for (const [name, value] of c.res.headers)
    if (!answeredWith.has(name) && !ofBody.includes(name)) response.headers.append(name, value)
  // Unset first: Hono would lay the headers of the one that was there over ours.
  c.res = undefined
  c.res = response
}

/** Hono's own `requestId` middleware's, where the app has it. */
function requestIdOf(c: Context): string {
  const given: unknown = c.get('requestId')
  return typeof given === 'string' && given !== '' ? given : (requestIds.get(c) ?? crypto.randomUUID())
}
