import type { Scheduler } from '../../core/scheduler.ts'

export interface BoundedWaitOptions {
  readonly scheduler: Scheduler
  /** Longest wait, milliseconds. */
  readonly ms: number
  /** The error of work that takes longer. */
  readonly tooSlow: () => Error
}

/** Bounds how long callers wait for work that cannot be stopped, such as a write to a disk. */
export interface BoundedWait {
  /** The work's outcome, or `tooSlow` by rejecting: whether it gets done is then unknown. */
  readonly wait: <Result>(work: Promise<Result>) => Promise<Result>
  /** Whether work that took too long is still under way: more would wait behind it. */
  readonly isStalled: () => boolean
}

export function createBoundedWait({ scheduler, ms, tooSlow }: BoundedWaitOptions): BoundedWait {
  let stalled = 0

  return {
    wait<Result>(work: Promise<Result>): Promise<Result> {
      return new Promise((resolve, reject) => {
        let isLate = false
        const cancel = scheduler.after(ms, () => {
          isLate = true
          stalled += 1
          reject(tooSlow())
        })
        function ended(): void {
          cancel()
          if (isLate) stalled -= 1
        }
        work.then(ended, ended)
        work.then(resolve, reject)
      })
    },
    isStalled: () => stalled > 0,
  }
}
