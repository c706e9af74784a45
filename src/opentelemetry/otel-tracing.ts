import {
  type Context,
  context,
  isSpanContextValid,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api'
import type { AskedTracing, OuterSpanOptions } from '../telemetry/tracing.ts'
import { fromSpanContext, OtelSpan, startOptions, toSpanContext } from './otel-span.ts'

/** Spans by the SDK that the process has set up, if it has. */
export function createOtelTracing(tellsOwners = true): AskedTracing {
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
    // A context manager and a propagator may be there without an SDK, and pass traces on.
    isOn: () => isSetUp() || context.active() !== ROOT_CONTEXT,
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
