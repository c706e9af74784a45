import type { Fault } from '../../core/fault.ts'
import { problemOf } from '../../core/problem.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { isKeptHeader } from '../exchange/fault-answer.ts'

/**
 * A refusal or a fault as a web-standard response, with its request id in the body and in
 * `x-request-id`.
 */
export function problemResponse(thrown: Refusal | Fault, requestId: string): Response {
  const { status, headers, body } = problemOf(thrown, requestId)
  return new Response(JSON.stringify(body), { status, headers: { ...headers, 'x-request-id': requestId } })
}

/**
 * Records a response that is about to be returned: once for a whole one; for one in pieces before
 * it begins and, by a stream whose end waits, before it ends. Only the headers of a response say
 * whether its body comes in pieces: see `isInPieces`; so does a handler that has still to settle
 * what it reserved, which its stream does.
 *
 * @returns the response to return, which may be another one
 * @throws Fault `ledger_unavailable`, by rejecting: nothing of the response may leave
 */
export async function recordResponse(
  exchange: Exchange,
  returned: Response,
  { method, route }: { readonly method: string; readonly route: string | null },
): Promise<Response> {
  if (!exchange.isOpen) return returned
  const response = withRequestId(returned, exchange.id)
  const { status, headers } = response
  const answer = { status, route, requestId: headers.get('x-request-id') ?? exchange.id }
  const hasPieces = isInPieces(headers) || (exchange.problem === undefined && exchange.reservations?.isOpen)
  const body = exchange.isAdmitted && method !== 'HEAD' && hasPieces ? response.body : null
  const waiting = body === null ? exchange.answer(answer) : exchange.start(answer)
  if (waiting !== undefined) await waiting
  return body === null ? response : new Response(body.pipeThrough(holdEnd(exchange)), response)
}

/** Records a request whose client has gone while it was worked on: no answer of it will leave. */
export function abortIfLeft(exchange: Exchange, { signal }: Request, route: string | null): void {
  if (signal.aborted) exchange.abort({ status: null, route, requestId: exchange.id })
}

/** Headers of a response that stay where a fault takes its place. */
export function keepHeaders(from: Headers, to: Headers): void {
  for (const [name, value] of from) if (isKeptHeader(name) && !to.has(name)) to.append(name, value)
}

const streamTypes = /^(?:text\/event-stream|application\/(?:x-ndjson|jsonl|octet-stream))\b/i

/**
 * A `Response` made from a text and one made from a stream look the same. Taken for a stream: an
 * event stream, JSON Lines, what is sent chunked, and bytes or an unknown type without a length.
 */
function isInPieces(headers: Headers): boolean {
  if (headers.get('transfer-encoding')?.includes('chunked') === true) return true
  const type = headers.get('content-type')
  if (headers.has('content-length')) return /^text\/event-stream\b/i.test(type ?? '')
  return type === null || streamTypes.test(type)
}

/** Copies a response that takes no header, such as one that was fetched. */
function withRequestId(response: Response, requestId: string): Response {
  if (response.headers.has('x-request-id')) return response
  try {
    response.headers.set('x-request-id', requestId)
    return response
  } catch {
    const copy = new Response(response.body, response)
    copy.headers.set('x-request-id', requestId)
    return copy
  }
}

function holdEnd(exchange: Exchange): TransformStream<Uint8Array, Uint8Array> {
  // `cancel` is in the Streams standard, and not in all types of it.
  const ends = { flush: () => exchange.finish(), cancel: () => exchange.abort() }
  return new TransformStream(ends)
}
