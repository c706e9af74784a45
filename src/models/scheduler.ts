/** Time as the batch queue sees it: a parameter, so that a test can move it. */
export interface Scheduler {
  /** Milliseconds that only ever grow. */
  readonly now: () => number
  /** Calls once, after so many milliseconds; gives the way to prevent it. */
  readonly after: (ms: number, action: () => void) => () => void
}

/** The machine's own time. */
export const machineScheduler: Scheduler = {
  now: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
}
