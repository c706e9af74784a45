import type { JobChange, JobQueue } from './job-queue.ts'

/** The listeners of a queue. */
export interface JobWatch {
  readonly watch: JobQueue['watch']
  readonly isWatched: () => boolean
  /**
   * Passes a durable change on, in a microtask: a listener's error cannot fail the call that made
   * the change.
   */
  readonly notify: (change: JobChange) => void
}

export function createJobWatch(): JobWatch {
  const listeners = new Map<symbol, (change: JobChange) => void>()
  return {
    watch(listener) {
      const name = Symbol('listener')
      listeners.set(name, listener)
      return () => void listeners.delete(name)
    },
    isWatched: () => listeners.size > 0,
    notify(change) {
      for (const name of listeners.keys()) queueMicrotask(() => listeners.get(name)?.(change))
    },
  }
}
