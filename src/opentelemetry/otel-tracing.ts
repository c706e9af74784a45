import {
  type Context,
  context,
  isSpanContextValid,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api'
import type { OuterSpanOptions, Tracing } from '../telemetry/tracing.ts'
import { fromSpanContext, OtelSpan, startOptions, toSpanContext } from './otel-span.ts'

/** Spans by the SDK that the process has set up, if it has. */
export function createOtelTracing(tellsOwners = true): Tracing {
  const tracer = trace.getTracer('modelward')
  return {
    tellsOwners,
    begin(name, outer = {}) {
      if (!isSetUp()) return undefined
      const span = tracer.startSpan(name, startOptions(outer), contextOf(outer))
      // An SDK may be turned off, too: it then has neither a trace nor a span.
      return isSpanContextValid(span.spanContext()) ? new OtelSpan(tracer, span) : undefined
    },
    active() {
      const span = trace.getSpan(context.active())
      if (span === undefined || !isSpanContextValid(span.spanContext())) return undefined
      const found = fromSpanContext(span.spanContext())
      return found.isSampled || !span.isRecording() ? found : { ...found, isSampled: true }
    },
  }
}

/** What the API hands everything to, before an SDK is there. */
const nothing = new ProxyTracerProvider().getDelegate()

/** Whether the app has set up an SDK: for each request, which costs less than a span of none. */
function isSetUp(): boolean {
  const provider = trace.getTracerProvider()
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegate() !== nothing
}

function contextOf({ parent }: OuterSpanOptions): Context {
  if (parent === undefined) return ROOT_CONTEXT
  if (parent === 'active') return context.active()
  return trace.setSpanContext(ROOT_CONTEXT, toSpanContext(parent))
}
