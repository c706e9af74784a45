import type { Fault } from '../../core/fault.ts'
import { problemOf } from '../../core/problem.ts'
import type { Refusal } from '../../core/refusal.ts'

/** A refusal or a fault as a web-standard response, with its request id in the body and in `x-request-id`. */
export function problemResponse(thrown: Refusal | Fault, requestId: string): Response {
  const { status, headers, body } = problemOf(thrown, requestId)
  return new Response(JSON.stringify(body), { status, headers: { ...headers, 'x-request-id': requestId } })
}
