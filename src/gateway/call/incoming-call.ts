import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Refusal } from '../../core/refusal.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import type { OpenRoute } from '../routes/open-route.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import type { AnswerKeeper } from './answer-keeper.ts'
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
  /** What a call that asks for a stream is refused with. @default it may */
  readonly streamRefusal?: Refusal | undefined
  /**
   * Begins to keep the answer for repeats of the call, once its model may be used and before a
   * token is taken; or answers with what is kept.
   *
   * @throws Refusal `idempotency_in_flight` or another that the answer is
   * @default nothing is kept
   */
  readonly beginKeeping?: (() => Promise<AnswerKeeper | 'answered'>) | undefined
}

/** A call that has begun. */
export interface BegunCall extends IncomingCall {
  /** Where its answer is kept, the call goes on when its client has gone. */
  readonly keeper: AnswerKeeper | undefined
}

export function faultyCallOf({ request, exchange, pattern }: IncomingCall): FaultyCall {
  return { request, requestId: exchange.id, route: pattern }
}
