import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, type ContextManager, context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { type ReadableSpan, type Sampler, type SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

/** Spans that have ended, of everything in this process. */
export interface CollectedSpans {
  readonly spans: ReadableSpan[]
  /** All spans of a trace, once those of these names have ended. */
  readonly ofTrace: (traceId: string, ...names: readonly string[]) => Promise<readonly ReadableSpan[]>
  /** The first span of this name, once it has ended. */
  readonly named: (name: string, index?: number) => Promise<ReadableSpan>
  readonly clear: () => void
  readonly stop: () => Promise<void>
}

/** Sets up an SDK that keeps its spans, as an app does that exports them. */
export function collectSpans(sampler?: Sampler): CollectedSpans {
  const spans: ReadableSpan[] = []
  const waiting = new Set<() => void>()
  const processor: SpanProcessor = {
    onStart() {},
    onEnd(span) {
      spans.push(span)
      for (const wake of [...waiting]) wake()
    },
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  const provider = new TracerProvider({ spanProcessors: [processor], ...(sampler && { sampler }) })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(createContextManager())

  function until<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = find()
        if (found === undefined) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  }

  return {
    spans,
    ofTrace: (traceId, ...names) =>
      until(() => {
        const found = spans.filter((span) => span.spanContext().traceId === traceId)
        const left = [...names]
        for (const { name } of found) if (left.includes(name)) left.splice(left.indexOf(name), 1)
        return left.length === 0 ? found : undefined
      }),
    named: (name, index = 0) => until(() => spans.filter((span) => span.name === name)[index]),
    clear: () => void spans.splice(0),
    async stop() {
      await provider.shutdown()
      trace.disable()
      context.disable()
    },
  }
}

/** What is active is so in all that is begun there, as in an app's own SDK. */
function createContextManager(): ContextManager {
  const store = new AsyncLocalStorage<Context>()
  const manager: ContextManager = {
    active: () => store.getStore() ?? ROOT_CONTEXT,
    with: (under, work, self, ...args) => store.run(under, () => work.apply(self as never, args)),
    bind: (_under, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}

/** Each span's name with that of the span it stands under: `null` for one of another process. */
export function treeOf(spans: readonly ReadableSpan[]): readonly string[] {
  const names = new Map(spans.map((span) => [span.spanContext().spanId, span.name]))
  return spans
    .map(({ name, parentSpanContext }) => {
      const parent = parentSpanContext && (names.get(parentSpanContext.spanId) ?? 'another')
      return parent === undefined ? name : `${parent} > ${name}`
    })
    .toSorted()
}
