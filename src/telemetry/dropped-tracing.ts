import type { AskedTracing, Span, Tracing } from './tracing.ts'

/**
 * A listener of spans that cannot harm what it listens to: the first time that it throws, or
 * rejects as an async function does, it is dropped with one warning.
 */
export function dropWhereItThrows(tracing: Tracing): AskedTracing {
  let isDropped = false

  function drop(thrown: unknown): void {
    if (isDropped) return
    isDropped = true
    process.emitWarning('modelward: a listener of traces threw, and gets no more spans', {
      detail: String(thrown),
    })
  }

  function attempt<T>(call: () => T): T | undefined {
    if (isDropped) return undefined
    try {
      const done = call()
      if (!(done instanceof Promise)) return done
      // No span, whatever it resolves to.
      done.catch(drop)
    } catch (thrown) {
      drop(thrown)
    }
    return undefined
  }

  function begin(beginning: () => Span | undefined): Span | undefined {
    const span = attempt(beginning)
    return span && attempt(() => wrap(span))
  }

  function wrap(span: Span): Span {
    const { context, isRecording } = span
    return {
      context,
      isRecording,
      begin: (name, options) => begin(() => span.begin(name, options)),
      rename: (name) => attempt(() => span.rename(name)),
      link: (to) => attempt(() => span.link(to)),
      end: (end) => attempt(() => span.end(end)),
    }
  }

  return {
    tellsOwners: tracing.tellsOwners,
    begin: (name, options) => begin(() => tracing.begin(name, options)),
    active: () => attempt(() => tracing.active()),
    isOn() {
      if (isDropped) return false
      if (tracing.isOn === undefined) return true
      // Not by `attempt`: it is called for each request, which may have no spans.
      try {
        return tracing.isOn()
      } catch (thrown) {
        drop(thrown)
        return false
      }
    },
  }
}
