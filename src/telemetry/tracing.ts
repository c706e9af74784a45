import type { TraceContext } from './trace-context.ts'

/** What a span says of itself. One that is undefined is not said. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

/** `server`: it answers a request. `client`: it asks another program. */
export type SpanKind = 'internal' | 'server' | 'client'

/** How a span begins. */
export interface SpanOptions {
  /** @default 'internal' */
  readonly kind?: SpanKind
  readonly attributes?: SpanAttributes
  /** Spans that it has to do with and does not stand under. */
  readonly links?: readonly TraceContext[]
}

/** How a span begins that stands under none of ours. */
export interface OuterSpanOptions extends SpanOptions {
  /**
   * `active`: the one in which the app's own code stands just now.
   * @default none: it begins a trace
   */
  readonly parent?: TraceContext | 'active' | undefined
}

/** How a span ends. */
export interface SpanEnd {
  readonly attributes?: SpanAttributes
  /** Whether it failed: by our doing or a dependency's, and not by what a client sent. */
  readonly isError?: boolean
}

/** A piece of work that a trace tells of, from its beginning to its end. */
export interface Span {
  readonly context: TraceContext
  /** Whether it is exported. */
  readonly isRecording: boolean
  /** Begins a span under this one; undefined where this one is not exported. */
  readonly begin: (name: string, options?: SpanOptions) => Span | undefined
  readonly rename: (name: string) => void
  readonly link: (to: TraceContext) => void
  readonly end: (end?: SpanEnd) => void
}

/** A listener that gets spans. None of its functions throws. */
export interface Tracing {
  /** Whether spans may name owners. */
  readonly tellsOwners: boolean
  /** Begins a span under none of ours; undefined where nothing takes spans. */
  readonly begin: (name: string, options?: OuterSpanOptions) => Span | undefined
  /** Where the app's own code stands just now; undefined where it does not trace. */
  readonly active: () => TraceContext | undefined
  /**
   * Whether anything takes spans just now, or the app's own code stands in one. It is asked once a
   * request, which has no spans where it is false.
   *
   * @default it always is
   */
  readonly isOn?: () => boolean
}

/** A listener that says whether it is on. */
export type AskedTracing = Tracing & Required<Pick<Tracing, 'isOn'>>

/** Does a piece of work in a span, which ends with it; without one, just does it. */
export function duringSpan<T>(span: Span | undefined, work: () => T): T {
  if (span === undefined) return work()
  try {
    const done = work()
    if (done instanceof Promise) endWith(span, done)
    else span.end()
    return done
  } catch (thrown) {
    span.end(endOf(thrown))
    throw thrown
  }
}

function endWith(span: Span, work: Promise<unknown>): void {
  work.then(
    () => span.end(),
    (thrown: unknown) => span.end(endOf(thrown)),
  )
}

/** What a span says of what was thrown: its code where it has one of ours, never its message. */
export function endOf(thrown: unknown): SpanEnd {
  const { code, name, status } = (thrown ?? {}) as { code?: unknown; name?: unknown; status?: unknown }
  const isOurs = typeof code === 'string' && /^[a-z_]{1,64}$/.test(code)
  const isRefusal = name === 'Refusal' && typeof status === 'number' && status < 500
  return { attributes: { 'modelward.code': isOurs ? code : 'internal' }, isError: !isRefusal }
}
