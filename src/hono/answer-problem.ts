import type { Context } from 'hono'
import { Fault } from '../core/fault.ts'
import type { Refusal } from '../core/refusal.ts'
import { lingerOverBody } from '../gate/linger.ts'
import { problemResponse } from '../gate/problem-response.ts'
import { incomingOf } from './hono-head.ts'

/** Told of a fault, for a log. */
export type FaultListener = (fault: Fault) => void

interface Answered {
  readonly thrown: Refusal | Fault
  readonly requestId: string
}

/** What each request was last answered with, so that two guards around one handler tell the same, once. */
const answered = new WeakMap<Context, Answered>()

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

/** Hono's own `requestId` middleware's, where the app has it. */
function requestIdOf(c: Context): string {
  const given: unknown = c.get('requestId')
  return typeof given === 'string' && given !== '' ? given : crypto.randomUUID()
}
