import type { Exchange } from '../exchange.ts'
import { isKeptHeader } from '../fault-headers.ts'

/** What is known of a web-standard response that is about to be returned. */
export interface ReturnedResponse {
  readonly response: Response
  readonly method: string
  readonly code: string | null
  readonly route: string | null
  /** Given to the answer where it bears no `x-request-id` of its own. */
  readonly requestId: string
  /** Told of the end of a stream that could not be recorded when nobody was waiting for it. */
  readonly onFault: (fault: unknown) => void
}

/**
 * Records a response that is about to be returned: once for a whole one; for one in pieces before it begins and, by a stream that is held
 * back at its end, before it ends. Whether a body comes in pieces only its headers tell: see `isInPieces`.
 *
 * @returns the response to return, which may be another one
 * @throws Fault `ledger_unavailable`, by rejecting: nothing of the response may leave
 */
export async function recordResponse(recording: Exchange, returned: ReturnedResponse): Promise<Response> {
  if (!recording.isOpen) return returned.response
  const { code, route, requestId, method, onFault } = returned
  const response = withRequestId(returned.response, requestId)
  const { status, headers } = response
  const answer = { status, code, route, requestId: headers.get('x-request-id') ?? requestId }
  const body = recording.isInPieces && method !== 'HEAD' && isInPieces(headers) ? response.body : null
  const waiting = body === null ? recording.answer(answer) : recording.start(answer)
  if (waiting !== undefined) await waiting
  return body === null ? response : new Response(body.pipeThrough(holdEnd(recording, onFault)), response)
}

/** Headers of a response that stay where a fault takes its place. */
export function keepHeaders(from: Headers, to: Headers): void {
  for (const [name, value] of from) if (isKeptHeader(name) && !to.has(name)) to.append(name, value)
}

const streamTypes = /^(?:text\/event-stream|application\/(?:x-ndjson|jsonl|octet-stream))\b/i

/**
 * A `Response` made from a text and one made from a stream look the same. One is taken for a stream that is an event stream or JSON Lines,
 * is sent chunked, or is of no type or of bytes and tells no length.
 */
function isInPieces(headers: Headers): boolean {
  if (headers.get('transfer-encoding')?.includes('chunked') === true) return true
  const type = headers.get('content-type')
  if (headers.has('content-length')) return /^text\/event-stream\b/i.test(type ?? '')
  return type === null || streamTypes.test(type)
}

/** Some responses, such as one that was fetched, take no header. */
function withRequestId(response: Response, requestId: string): Response {
  if (response.headers.has('x-request-id')) return response
  try {
    response.headers.set('x-request-id', requestId)
    return response
  } catch {
    const told = new Response(response.body, response)
    told.headers.set('x-request-id', requestId)
    return told
  }
}

function holdEnd(
  recording: Exchange,
  onFault: (fault: unknown) => void,
): TransformStream<Uint8Array, Uint8Array> {
  // `cancel` is in the Streams standard, and not in all types of it.
  const ends = { flush: () => recording.finish(), cancel: () => recording.abort(onFault) }
  return new TransformStream(ends)
}
