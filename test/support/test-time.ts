import type { Scheduler } from '../../src/core/scheduler.ts'
import type { Clock } from '../../src/core/time.ts'
import { createManualTime } from '../../src/ward/test-ward.ts'

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
  const { clock, scheduler, advance, due } = createManualTime(Date.UTC(2026, 0, 1))
  const started: number[] = []

  // All of it is in this process: after a few turns of its event loop nothing is left to do.
  async function settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }

  return {
    clock,
    started,
    timers: () => due().length,
    scheduler: {
      ...scheduler,
      after(ms, run) {
        started.push(ms)
        return scheduler.after(ms, run)
      },
    },
    settle,
    async pass(ms) {
      await settle()
      const until = clock() + ms
      for (let [next] = due(); next !== undefined && next <= until; [next] = due()) {
        advance(Math.max(0, next - clock()))
        await settle()
      }
      advance(until - clock())
    },
  }
}
