import type { MeasuredRequest } from '../../telemetry/measures.ts'
import { sampledId } from '../../telemetry/trace-context.ts'
import type { Span } from '../../telemetry/tracing.ts'
import { takeUnguardedProblem } from './attached-exchange.ts'
import type { ExchangeDeps } from './exchange-deps.ts'
import { findRequestSpan } from './request-span.ts'

/** What an adapter knows of the answer to a request that no guard has seen. */
export interface UnguardedAnswer extends Pick<MeasuredRequest, 'route' | 'method' | 'status'> {
  /** Milliseconds from its head to its answer. @default since it began here */
  readonly ms?: number
}

/** Counts requests that no guard sees, such as those of public paths. */
export interface UnguardedRequests {
  /**
   * Begins a request that may pass without a guard. Undefined where nothing is measured, and where
   * it has begun already.
   *
   * @returns what counts its answer, unless a guard has seen the request by then
   */
  readonly begin: (request: object) => ((answer: UnguardedAnswer) => void) | undefined
  /** A guard sees the request: its exchange counts it. */
  readonly end: (request: object) => void
}

export function createUnguardedRequests({ telemetry, monotonic }: ExchangeDeps): UnguardedRequests {
  const { measures, tracing } = telemetry
  const begun = new WeakSet<object>()
  return {
    begin(request) {
      if (!measures.isOn || begun.has(request)) return undefined
      begun.add(request)
      const begunAt = monotonic()
      const span = findRequestSpan(request)
      const traceId = span === undefined ? sampledId(tracing?.active()) : exportedId(span)
      return function count({ route, method, status, ms = monotonic() - begunAt }) {
        if (!begun.delete(request)) return
        const code = takeUnguardedProblem(request)?.code ?? null
        measures.request({ route, method, status, code, ms, traceId })
      }
    },
    end(request) {
      if (measures.isOn) begun.delete(request)
    },
  }
}

/** Of our own server's span, which stands for a trace that is only passed on too. */
function exportedId({ isRecording, context }: Span): string | undefined {
  return isRecording ? sampledId(context) : undefined
}
