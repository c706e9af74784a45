import type { Span } from '../../telemetry/tracing.ts'
import type { Attempt, AttemptListener } from '../upstreams/upstream.ts'

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
