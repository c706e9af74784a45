import type { Span, SpanEnd, Tracing } from '../../telemetry/tracing.ts'
import type { JobRecord } from '../job.ts'
import { modelOf, readOrigin } from '../job-origin.ts'

/** The spans of one attempt at a job that is traced. */
export interface AttemptTrace {
  readonly span: Span
  /** Begins the span of a call of the model; undefined once there were enough of them. */
  readonly beginCall: () => Span | undefined
  readonly end: (end: SpanEnd) => void
}

/** Most calls of the model of one attempt that have a span: a batch may need hundreds. */
const tracedCallsMax = 16

/**
 * Traces an attempt: in the trace of the request that submitted the job, and linked to it.
 * Undefined where it is not exported.
 */
export function traceAttempt(tracing: Tracing, job: JobRecord): AttemptTrace | undefined {
  const { trace } = readOrigin(job.requestId)
  const attributes = {
    'modelward.key_id': job.keyId,
    'modelward.owner': tracing.tellsOwners ? job.owner : undefined,
    'modelward.model': modelOf(job),
    'modelward.job.id': job.id,
    'modelward.job.attempt': job.attempts,
  }
  const links = trace === undefined ? [] : [trace]
  const span = tracing.begin('modelward.job', { parent: trace, links, attributes })
  if (span?.isRecording !== true) return undefined
  let calls = 0
  return {
    span,
    beginCall() {
      calls += 1
      if (calls > tracedCallsMax) return undefined
      return span.begin('modelward.model', { attributes: { 'modelward.model': modelOf(job) } })
    },
    end: (end) => span.end(end),
  }
}
