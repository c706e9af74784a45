import type { EventOrigin } from '../telemetry/telemetry.ts'
import { formatTraceparent, parseTraceContext } from '../telemetry/trace-context.ts'

/** The request that a job was made by; null for a job that an application made by itself. */
export type JobOrigin = EventOrigin

// No id has a control character: a request's is a UUID, or what an app's own says.
const separator = '\u001f'

/**
 * An origin as it is stored with its job, in the place of the request's id: every store, of this
 * version and of those before, keeps that as it is.
 */
export function writeOrigin({ requestId, trace }: JobOrigin): string | null {
  if (trace === undefined) return requestId
  return [requestId?.replaceAll(separator, '') ?? '', formatTraceparent(trace), trace.state].join(separator)
}

/** Reads an origin; one of a version before has no trace. */
export function readOrigin(stored: string | null): JobOrigin {
  const [id = '', traceparent, state] = stored?.split(separator) ?? []
  return { requestId: id === '' ? null : id, trace: parseTraceContext(traceparent, state) }
}
