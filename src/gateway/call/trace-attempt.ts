import { traceHeaders } from '../../telemetry/trace-context.ts'
import type { Span } from '../../telemetry/tracing.ts'
import type { Destination } from '../directory/model-directory.ts'
import type { Attempt, AttemptListener, UpstreamRequest } from '../upstreams/upstream.ts'

/** Begins the span of an attempt under the call's; undefined where that is not exported. */
export function beginAttemptSpan(
  parent: Span | undefined,
  method: UpstreamRequest['method'],
  { upstream, model }: Destination,
): Span | undefined {
  return parent?.begin('modelward.upstream', {
    kind: 'client',
    attributes: {
      'http.request.method': method,
      'modelward.upstream': upstream.settings.name,
      'modelward.model': model,
    },
  })
}

/** What an upstream sees of a request's head, with the attempt's span where that is traced. */
export function headersIn(
  span: Span | undefined,
  headers: UpstreamRequest['headers'],
): UpstreamRequest['headers'] {
  return span === undefined ? headers : { ...headers, ...traceHeaders(span.context) }
}

/** Sends an attempt in its span, which ends with the answer, its failure, or as it is given up. */
export function sendTraced(
  span: Span,
  send: (listener: AttemptListener) => Attempt,
  listener: AttemptListener,
): Attempt {
  let status: number | undefined
  let isOver = false

  function end(failure?: string): void {
    if (isOver) return
    isOver = true
    const isError = failure !== undefined || (status !== undefined && status >= 500)
    const type = failure ?? (isError ? String(status) : undefined)
    span.end({ attributes: { 'http.response.status_code': status, 'error.type': type }, isError })
  }

  const attempt = send({
    onHead(said, headers) {
      status = said
      listener.onHead(said, headers)
    },
    onPiece: (piece) => listener.onPiece(piece),
    onEnd() {
      end()
      listener.onEnd()
    },
    onError(error) {
      end(error.failure)
      listener.onError(error)
    },
  })
  return {
    abort() {
      end()
      attempt.abort()
    },
    pause: () => attempt.pause(),
    resume: () => attempt.resume(),
  }
}
