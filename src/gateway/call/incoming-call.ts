import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Exchange } from '../../guard/exchange.ts'
import type { OpenRoute } from '../routes/open-route.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import type { FaultyCall } from './call-deps.ts'

/** An admitted request on a route of an upstream, its body read. */
export interface IncomingCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Of the guard that has admitted it. */
  readonly exchange: Exchange
  readonly route: OpenRoute
  /** The route's pattern, as records name it. */
  readonly pattern: string
  /** Those that serve the route, in the order of the configuration. */
  readonly upstreams: readonly Upstream[]
  readonly body: Buffer
  /** Headers that every answer carries, and those of other origins. */
  readonly headers: Readonly<Record<string, string | number | readonly string[]>>
  /**
   * Holds so many bytes beside the body that came, within what all requests may hold: what is
   * written of it, and of the answer. False: they do not fit. Released when the response closes.
   */
  readonly hold: (bytes: number) => boolean
}

export function faultyCallOf({ request, exchange, pattern }: IncomingCall): FaultyCall {
  return { request, requestId: exchange.id, route: pattern }
}
