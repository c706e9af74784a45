import {
  createTraceState,
  type Link,
  type Span as OtelApiSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { TraceContext } from '../telemetry/trace-context.ts'
import type { Span, SpanAttributes, SpanEnd, SpanOptions } from '../telemetry/tracing.ts'

const kinds = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT } as const

/** Options as OpenTelemetry takes them. */
export function startOptions({ kind = 'internal', attributes = {}, links = [] }: SpanOptions): {
  readonly kind: SpanKind
  readonly attributes: SpanAttributes
  readonly links: Link[]
} {
  return { kind: kinds[kind], attributes, links: links.map((link) => ({ context: toSpanContext(link) })) }
}

/** A span of OpenTelemetry behind our port. */
export class OtelSpan implements Span {
  readonly context: TraceContext
  readonly isRecording: boolean
  readonly #tracer: Tracer
  readonly #span: OtelApiSpan

  constructor(tracer: Tracer, span: OtelApiSpan) {
    this.#tracer = tracer
    this.#span = span
    this.context = fromSpanContext(span.spanContext())
    this.isRecording = span.isRecording()
  }

  begin(name: string, options: SpanOptions = {}): Span | undefined {
    if (!this.isRecording) return undefined
    const under = trace.setSpan(ROOT_CONTEXT, this.#span)
    return new OtelSpan(this.#tracer, this.#tracer.startSpan(name, startOptions(options), under))
  }

  rename(name: string): void {
    this.#span.updateName(name)
  }

  link(to: TraceContext): void {
    this.#span.addLink({ context: toSpanContext(to) })
  }

  end({ attributes = {}, isError = false }: SpanEnd = {}): void {
    for (const [name, value] of Object.entries(attributes))
      if (value !== undefined) this.#span.setAttribute(name, value)
    if (isError) this.#span.setStatus({ code: SpanStatusCode.ERROR })
    this.#span.end()
  }
}

export function fromSpanContext({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const isSampled = (traceFlags & TraceFlags.SAMPLED) === TraceFlags.SAMPLED
  return { traceId, spanId, isSampled, state: traceState?.serialize() ?? '' }
}

/** Of another process, as far as OpenTelemetry is concerned. */
export function toSpanContext({ traceId, spanId, isSampled, state }: TraceContext): SpanContext {
  return {
    traceId,
    spanId,
    isRemote: true,
    traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    ...(state !== '' && { traceState: createTraceState(state) }),
  }
}
