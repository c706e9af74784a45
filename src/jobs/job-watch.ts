import type { JobChange, JobQueue } from './job-queue.ts'

/** The listeners of a queue. */
export interface JobWatch {
  readonly watch: JobQueue['watch']
  readonly isWatched: () => boolean
  /**
   * Tells of a change that is durable, soon: a listener cannot make the call fail whose change it
   * is.
   */
  readonly tell: (change: JobChange) => void
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
    tell(change) {
      for (const name of listeners.keys()) queueMicrotask(() => listeners.get(name)?.(change))
    },
  }
}
