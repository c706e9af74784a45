/** Time as the batch queue sees it: a parameter, so that a test can move it. */
export interface Scheduler {
  /** Milliseconds that only ever grow. */
  readonly now: () => number
  /** Calls once, after so many milliseconds, or up to one earlier; gives the way to prevent it. */
  readonly after: (ms: number, action: () => void) => () => void
}

/** The machine's own time. */
export const machineScheduler: Scheduler = {
  now: () => performance.now(),
  after(ms, action) {
    // Node's timers fire up to a millisecond late; what is scheduled here are upper bounds.
    const timer = setTimeout(action, Math.max(1, ms - 1))
    return () => clearTimeout(timer)
  },
}
