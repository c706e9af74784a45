import type { Maybe } from '../../core/after.ts'
import type { TraceContext } from '../../telemetry/trace-context.ts'
import {
  type AskedTracing,
  duringSpan,
  type Span,
  type SpanAttributes,
  type Tracing,
} from '../../telemetry/tracing.ts'
import type { Caller } from '../caller.ts'
import { findRequestSpan } from './request-span.ts'

/** What is known of a request that a span may tell. */
export interface ToldRequest {
  /** Whose key it was; null where none was proven. */
  readonly known: Caller | null
  /** Why it was refused or failed; null where it was not. */
  readonly code: string | null
  readonly model: string | undefined
}

/** The spans of one request that is traced. */
export interface ExchangeTrace {
  /** What its record's span stands under; undefined where that would not be exported. */
  readonly context: TraceContext | undefined
  readonly beginGuard: () => void
  /** @param isError whether the guard itself has failed */
  readonly endGuard: (told: ToldRequest, isError: boolean) => void
  readonly duringLimits: <T>(take: () => Maybe<T>) => Maybe<T>
}

/**
 * The spans of a request, under that of the whole request, or, where the app has none of ours,
 * under the app's own. Undefined where they would not be exported.
 */
export function traceExchange(tracing: AskedTracing | undefined, request: object): ExchangeTrace | undefined {
  return tracing?.isOn() === true ? traceUnder(tracing, findRequestSpan(request)) : undefined
}

function traceUnder(tracing: Tracing, request: Span | undefined): ExchangeTrace | undefined {
  const outer = request?.context ?? tracing.active()
  if (request === undefined ? outer?.isSampled === false : !request.isRecording) return undefined
  let guard: Span | undefined
  let known = outer

  return {
    get context() {
      return known
    },
    beginGuard() {
      const name = 'modelward.guard'
      guard = request === undefined ? tracing.begin(name, { parent: 'active' }) : request.begin(name)
      // It begins the trace of an app that has none.
      if (outer === undefined && guard?.isRecording === true) known = guard.context
    },
    endGuard(told, isError) {
      guard?.end({ attributes: attributesOf(told, tracing), isError })
      guard = undefined
    },
    duringLimits: (take) => duringSpan(guard?.begin('modelward.limits'), take),
  }
}

/** Ids and codes, and never a key, a text or an address. */
export function attributesOf(
  { known, code, model }: ToldRequest,
  { tellsOwners }: Pick<Tracing, 'tellsOwners'>,
): SpanAttributes {
  return {
    'modelward.key_id': known?.keyId,
    'modelward.owner': tellsOwners ? known?.owner : undefined,
    'modelward.code': code ?? undefined,
    'modelward.model': model,
  }
}
