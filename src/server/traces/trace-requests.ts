import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { looksLikeKey } from '../../core/key-shape.ts'
import { findExchange } from '../../guard/exchange/attached-exchange.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import { attributesOf } from '../../guard/exchange/exchange-trace.ts'
import { attachRequestSpan } from '../../guard/exchange/request-span.ts'
import { passedOnSpan } from '../../telemetry/passed-on-span.ts'
import { parseTraceContext, type TraceContext } from '../../telemetry/trace-context.ts'
import type { AskedTracing, Span, SpanAttributes, Tracing } from '../../telemetry/tracing.ts'

/** Spans of whole requests, from their heads to the ends of their answers. */
export interface RequestTracing {
  /** Begins the span of a request, before anything else sees it. */
  readonly begin: (request: IncomingMessage, response: ServerResponse) => void
  /** Says which route takes a request that the app does not see. */
  readonly setRoute: (request: IncomingMessage, route: string) => void
  /** Has the app say which routes take the requests that it sees. */
  readonly follow: (app: FastifyInstance) => void
  /** Says which request of the app stands for Node's own. */
  readonly note: (request: FastifyRequest) => void
}

/** What is known of a request whose span is exported. */
interface Traced {
  readonly span: Span
  readonly method: string
  /** The route's pattern. */
  route: string | undefined
  /** The object that its exchange hangs at. */
  holder: object
}

/**
 * Traces the requests of a server. A span is called by method and route, and says the outcome:
 * never a path, which may hold texts and keys, nor an address or a user agent. Without `tracing`,
 * or while it is off, what clients say of their traces is passed on.
 *
 * @param keyHeader the header that carries keys
 */
export function createRequestTracing(tracing: AskedTracing | undefined, keyHeader: string): RequestTracing {
  const keyName = keyHeader.toLowerCase()
  const underWay = new WeakMap<IncomingMessage, Traced>()

  function note(request: FastifyRequest): void {
    const traced = underWay.get(request.raw)
    if (traced === undefined) return
    traced.route = request.routeOptions.url
    traced.holder = request
  }

  return {
    note,
    begin(request, response) {
      const parent = readParent(request, keyName)
      if (tracing?.isOn() !== true) {
        if (parent !== undefined) attachRequestSpan(request, passedOnSpan(parent))
        return
      }
      const { method = '', httpVersion, socket } = request
      const scheme = (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http'
      const span = tracing.begin(method, {
        kind: 'server',
        parent,
        attributes: {
          'http.request.method': method,
          'url.scheme': scheme,
          'network.protocol.version': httpVersion,
        },
      })
      if (span === undefined) return
      attachRequestSpan(request, span)
      if (!span.isRecording) return
      const traced: Traced = { span, method, route: undefined, holder: request }
      underWay.set(request, traced)
      response.once('close', () => end(traced, response, tracing))
    },
    setRoute(request, route) {
      const traced = underWay.get(request)
      if (traced !== undefined) traced.route = route
    },
    follow(app) {
      app.addHook('onRequest', function noteRoute(request, _reply, done) {
        note(request)
        done()
      })
    },
  }
}

function end({ span, method, route, holder }: Traced, response: ServerResponse, tracing: Tracing): void {
  const { statusCode, headersSent } = response
  const exchange = findExchange(holder)
  const status = headersSent ? statusCode : undefined
  const isError = status !== undefined && status >= 500
  if (route !== undefined) span.rename(`${method} ${route}`)
  span.end({
    attributes: {
      'http.route': route,
      'http.response.status_code': status,
      'error.type': isError ? (exchange?.code ?? `${status}`) : undefined,
      ...(exchange !== undefined && outcomeOf(exchange, tracing)),
    },
    isError,
  })
}

function outcomeOf(exchange: Exchange, tracing: Tracing): SpanAttributes {
  const measures = Object.entries(exchange.measures()).map(([name, used]) => [
    `modelward.measures.${name}`,
    used,
  ])
  return {
    'modelward.request_id': exchange.id,
    ...attributesOf(exchange, tracing),
    ...Object.fromEntries(measures),
  }
}

/**
 * What the client says of its trace. A `tracestate` goes on to others as it is, and is exported:
 * one that holds the request's own key, or text that looks like a key, is dropped.
 */
function readParent({ headers }: IncomingMessage, keyName: string): TraceContext | undefined {
  const { traceparent, tracestate, authorization } = headers
  if (traceparent === undefined) return undefined
  // Node joins the lines of a name that it does not know: of several lines none is one.
  const parent = parseTraceContext(`${traceparent}`, tracestate === undefined ? undefined : `${tracestate}`)
  if (parent === undefined || parent.state === '') return parent
  const keys = [headers[keyName], authorization?.replace(/^\S+\s+/, '')].flat()
  const holdsKey = keys.some((key) => key !== undefined && key !== '' && parent.state.includes(key.trim()))
  return holdsKey || looksLikeKey(parent.state) ? { ...parent, state: '' } : parent
}
