import type { JobRecord } from '../../core/job.ts'
import type { JobChange, JobQueue } from '../../core/job-queue.ts'

/** Whoever wants to hear of changed jobs. */
export interface JobWatch {
  readonly watch: JobQueue['watch']
  /**
   * Tells of a change that has been made, soon: a listener runs neither within the change nor can it make that fail.
   *
   * @param jobs as they are now, without results
   */
  readonly tell: (jobs: readonly JobRecord[], isDue: boolean) => void
}

export function createJobWatch(): JobWatch {
  const listeners = new Map<symbol, (change: JobChange) => void>()
  return {
    watch(listener) {
      const name = Symbol('listener')
      listeners.set(name, listener)
      return () => void listeners.delete(name)
    },
    tell(jobs, isDue) {
      if (listeners.size === 0 || jobs.length === 0) return
      const change = Object.freeze({ jobs: Object.freeze([...jobs]), isDue })
      for (const name of listeners.keys()) queueMicrotask(() => listeners.get(name)?.(change))
    },
  }
}
