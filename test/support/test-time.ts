import type { Clock } from '../../src/core/clock.ts'
import type { Scheduler } from '../../src/core/scheduler.ts'

/** Time that passes when a test says so. */
export interface TestTime {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Milliseconds of all timers that were started, in their order. */
  readonly started: number[]
  /** Timers that are running. */
  readonly timers: () => number
  /** Lets everything happen that needs no more time. */
  readonly settle: () => Promise<void>
  /** Lets so many milliseconds pass, timer by timer. */
  readonly pass: (ms: number) => Promise<void>
}

export function createTestTime(): TestTime {
  let now = Date.UTC(2026, 0, 1)
  const timers = new Set<{ readonly at: number; readonly run: () => void }>()
  const started: number[] = []

  // Everything in these tests is in this process: a few turns of its event loop, and nothing is left to do.
  async function settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }

  return {
    clock: () => now,
    started,
    timers: () => timers.size,
    scheduler: {
      after(ms, run) {
        started.push(ms)
        const timer = { at: now + ms, run }
        timers.add(timer)
        return () => void timers.delete(timer)
      },
      yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    },
    settle,
    async pass(ms) {
      await settle()
      const until = now + ms
      for (;;) {
        const next = [...timers]
          .filter(({ at }) => at <= until)
          .toSorted((one, other) => one.at - other.at)[0]
        if (next === undefined) break
        now = Math.max(now, next.at)
        timers.delete(next)
        next.run()
        await settle()
      }
      now = until
    },
  }
}
