import type { Clock } from '../core/clock.ts'
import type { Scheduler } from '../core/scheduler.ts'

/** Time that passes when a test says so, and no timer of the process's. */
export interface TestTime {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Moves the clock on, and runs what was to be run by then. */
  readonly advance: (ms: number) => void
}

/** @param begin what the clock shows at first, milliseconds since the epoch */
export function createTestTime(begin: number): TestTime {
  let now = begin
  const waiting = new Set<{ readonly at: number; readonly run: () => void }>()
  return {
    clock: () => now,
    scheduler: {
      after(ms, run) {
        const timer = { at: now + ms, run }
        waiting.add(timer)
        return () => void waiting.delete(timer)
      },
      yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    },
    advance(ms) {
      now += ms
      const due = [...waiting].filter(({ at }) => at <= now).toSorted((one, other) => one.at - other.at)
      // One that is called off by another of them does not run.
      for (const timer of due) if (waiting.delete(timer)) timer.run()
    },
  }
}
