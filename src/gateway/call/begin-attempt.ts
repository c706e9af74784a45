import type { Span } from '../../telemetry/tracing.ts'
import type {
  Attempt,
  AttemptError,
  AttemptListener,
  Upstream,
  UpstreamRequest,
} from '../upstreams/upstream.ts'
import { sendTraced } from './trace-attempt.ts'

type AnswerHeaders = Parameters<AttemptListener['onHead']>[1]

/** What reads an answer from its first byte on. */
export type AnswerSink = Pick<AttemptListener, 'onPiece' | 'onEnd' | 'onError'>

/** An answer of which a byte of the body is there, or its end. */
export interface BegunAnswer {
  readonly upstream: Upstream
  readonly status: number
  readonly headers: AnswerHeaders
  readonly attempt: Attempt
  /** Begins to read; nothing more comes from the upstream before. */
  readonly read: (sink: AnswerSink) => void
  /** Stops, until something reads again: its reader hears nothing more, and nothing is lost. */
  readonly hold: () => void
}

/** An attempt that failed before a byte of an answer's body had come. */
export class AttemptFailed extends Error {
  readonly error: AttemptError

  constructor(error: AttemptError) {
    super(error.message)
    this.error = error
  }
}

export interface BegunAttempt {
  /** Rejects with `AttemptFailed`. Never settles once the attempt is aborted. */
  readonly answer: Promise<BegunAnswer>
  readonly abort: () => void
}

/**
 * Asks an upstream, up to the first byte of the answer's body: until then another may be asked.
 *
 * @param span of this attempt; it ends with it
 */
export function beginAttempt(
  upstream: Upstream,
  request: UpstreamRequest,
  firstByteBy: number,
  span?: Span,
): BegunAttempt {
  const { promise, resolve, reject } = Promise.withResolvers<BegunAnswer>()
  let head: { readonly status: number; readonly headers: AnswerHeaders } | undefined
  let sink: AnswerSink | undefined
  let hasBegun = false
  /** What came while nothing reads: little, for the attempt is paused then, and its end. */
  const early: ((to: AnswerSink) => void)[] = []

  function begin(): void {
    hasBegun = true
    if (head === undefined) return
    attempt.pause()
    resolve({
      ...head,
      upstream,
      attempt,
      read(to) {
        sink = to
        while (sink === to && early.length > 0) early.shift()?.(to)
        if (sink === to) attempt.resume()
      },
      hold() {
        sink = undefined
        attempt.pause()
      },
    })
  }

  function tell(what: (to: AnswerSink) => void): void {
    if (sink !== undefined) {
      what(sink)
      return
    }
    early.push(what)
    if (!hasBegun) begin()
  }

  const listener: AttemptListener = {
    onHead(status, headers) {
      head = { status, headers }
    },
    onPiece: (piece) => tell((to) => to.onPiece(piece)),
    onEnd: () => tell((to) => to.onEnd()),
    onError(error) {
      if (hasBegun) tell((to) => to.onError(error))
      else reject(new AttemptFailed(error))
    },
  }
  const send = (to: AttemptListener): Attempt => upstream.send(request, to, firstByteBy)
  const attempt = span === undefined ? send(listener) : sendTraced(span, send, listener)
  return { answer: promise, abort: () => attempt.abort() }
}
