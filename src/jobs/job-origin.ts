import type { Costs } from '../limits/usage/costs.ts'
import type { TakenPart } from '../limits/usage/taken-part.ts'
import type { EventOrigin } from '../telemetry/telemetry.ts'
import { formatTraceparent, parseTraceContext } from '../telemetry/trace-context.ts'
import type { NewJob } from './job.ts'

/** The request that a job was made by; null for a job that an application made by itself. */
export interface JobOrigin extends EventOrigin {
  /** Undefined unless it is a call of a model server. */
  readonly call?: JobCall | undefined
}

/** What is known of a job that is a call of a model server, from its acceptance on. */
export interface JobCall {
  /** The model's public name: the job's own is the lane that it waits in. */
  readonly model: string
  /** What was reserved, by measure: it is charged where nothing else is known. */
  readonly reserved: Costs
  /** What is charged where it is given up after it has begun. */
  readonly abandoned: Costs
  /** What limits have counted of it, for whichever process ends it. */
  readonly taken: readonly TakenPart[]
}

/** The name of a job's model, as its owner knows it. */
export function modelOf({ model, requestId }: Pick<NewJob, 'model' | 'requestId'>): string {
  return readOrigin(requestId).call?.model ?? model
}

// No id has a control character: a request's is a UUID, or what an app's own says.
const separator = '\u001f'

/**
 * An origin as it is stored with its job, in the place of the request's id: every store, of this
 * version and of those before, keeps that as it is.
 */
export function writeOrigin({ requestId, trace, call }: JobOrigin): string | null {
  const id = requestId?.replaceAll(separator, '') ?? ''
  if (trace === undefined && call === undefined) return requestId === null ? null : id
  const traced = trace === undefined ? ['', ''] : [formatTraceparent(trace), trace.state]
  // JSON escapes what separates.
  return [id, ...traced, ...(call === undefined ? [] : [JSON.stringify(call)])].join(separator)
}

/** Reads an origin; one of a version before has no trace. */
export function readOrigin(stored: string | null): JobOrigin {
  const [id = '', traceparent, state, call] = stored?.split(separator) ?? []
  return {
    requestId: id === '' ? null : id,
    trace: parseTraceContext(traceparent, state),
    ...(call !== undefined && { call: JSON.parse(call) as JobCall }),
  }
}
