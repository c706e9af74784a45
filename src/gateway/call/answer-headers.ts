import type { IncomingHttpHeaders } from 'node:http'
import { looksLikeKey } from '../../core/key-shape.ts'
import { findRequestSpan } from '../../guard/exchange/request-span.ts'
import { parseTraceContext, type TraceContext, traceHeaders } from '../../telemetry/trace-context.ts'
import type { BegunAnswer } from './begin-attempt.ts'
import type { IncomingCall } from './incoming-call.ts'

type Headers = Readonly<Record<string, string>>

/** Headers of a request that go on to an upstream; all others stay here. */
const forwarded = ['accept', 'anthropic-version', 'anthropic-beta', 'openai-beta'] as const

/** Headers of an upstream's answer that go on to a client. */
const passed = [
  'content-type',
  'content-language',
  'content-encoding',
  'retry-after',
  'openai-processing-ms',
] as const

/**
 * What an upstream sees of a request's head, with the request's own span, or where nothing is
 * traced here, its caller's. Of names that came twice the first counts; a key is not among them,
 * whatever header it came in.
 */
export function requestHeaders({ request, exchange }: IncomingCall): Headers {
  const headers: Record<string, string> = { 'x-request-id': exchange.id }
  for (const name of forwarded) {
    const value = request.headers[name]
    if (typeof value === 'string' && !looksLikeKey(value)) headers[name] = value
  }
  const trace = findRequestSpan(request)?.context ?? traceOfCaller(request.headers)
  if (trace !== undefined) Object.assign(headers, traceHeaders(trace))
  if (request.method === 'POST') headers['content-type'] = 'application/json'
  return headers
}

function traceOfCaller({ traceparent, tracestate }: IncomingHttpHeaders): TraceContext | undefined {
  const said = parseTraceContext(textOf(traceparent), textOf(tracestate))
  return said !== undefined && looksLikeKey(said.state) ? { ...said, state: '' } : said
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** What a client sees of the head of an upstream's answer; never the upstream's credential. */
export function passedHeaders({ headers, upstream }: Pick<BegunAnswer, 'headers' | 'upstream'>): Headers {
  const own: Record<string, string> = {}
  for (const name of passed) {
    const value = headers[name]
    if (typeof value === 'string') own[name] = value
  }
  const id = headers['x-request-id']
  if (typeof id === 'string') own['x-upstream-request-id'] = upstream.redact(id)
  return own
}
