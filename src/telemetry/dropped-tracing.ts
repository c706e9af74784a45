import type { Span, Tracing } from './tracing.ts'

/**
 * A listener of spans that cannot harm what it listens to: the first time that it throws, it is
 * dropped with one warning.
 */
export function dropWhereItThrows(tracing: Tracing): Tracing {
  let isDropped = false

  function attempt<T>(call: () => T): T | undefined {
    if (isDropped) return undefined
    try {
      return call()
    } catch (thrown) {
      isDropped = true
      process.emitWarning('modelward: a listener of traces threw, and gets no more spans', {
        detail: String(thrown),
      })
      return undefined
    }
  }

  function wrap(span: Span | undefined): Span | undefined {
    if (span === undefined) return undefined
    const { context, isRecording } = span
    return {
      context,
      isRecording,
      begin: (name, options) => attempt(() => wrap(span.begin(name, options))),
      rename: (name) => attempt(() => span.rename(name)),
      link: (to) => attempt(() => span.link(to)),
      end: (end) => attempt(() => span.end(end)),
    }
  }

  return {
    tellsOwners: tracing.tellsOwners,
    begin: (name, options) => attempt(() => wrap(tracing.begin(name, options))),
    active: () => attempt(() => tracing.active()),
  }
}
