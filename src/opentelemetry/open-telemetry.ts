import {
  type Context,
  context,
  isSpanContextValid,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api'
import { checkOptions, isBoolean, type OptionRule } from '../core/check-options.ts'
import type { IdentifiedListener } from '../telemetry/telemetry-option.ts'
import type { OuterSpanOptions, Tracing } from '../telemetry/tracing.ts'
import { fromSpanContext, OtelSpan, startOptions, toSpanContext } from './otel-span.ts'

/** What spans say. */
export interface OpenTelemetryOptions {
  /** Whether spans name owners, in `modelward.owner`. @default true */
  readonly owners?: boolean
}

const rules: Readonly<Record<keyof OpenTelemetryOptions, OptionRule>> = {
  owners: { expected: 'true or false', accepts: isBoolean },
}

/**
 * Spans by the app's own OpenTelemetry SDK: under the span that is active where a request is
 * guarded, or, without one, as a trace of their own. Where the app has set up no SDK they cost next
 * to nothing.
 *
 * @throws TypeError for options that are unknown or wrong
 * @example
 * const ward = await openModelward({ data: './modelward-data', telemetry: [openTelemetry()] })
 */
export function openTelemetry(
  options: OpenTelemetryOptions = {},
): IdentifiedListener & { readonly tracing: Tracing } {
  checkOptions('openTelemetry', options, rules)
  const { owners = true } = options
  const tracer = trace.getTracer('modelward')
  return {
    id: `opentelemetry owners=${owners}`,
    tracing: {
      tellsOwners: owners,
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
