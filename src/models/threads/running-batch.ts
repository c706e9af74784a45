import type { BatchRun } from './batch-lane.ts'
import type { WaitingCall } from './waiting-call.ts'

/** Calls that a lane works on together. */
export class RunningBatch {
  readonly calls: readonly WaitingCall[]
  readonly inputCount: number
  /** Whether it was aborted because it took more than its share of its calls' time. */
  isOutOfTime = false
  readonly #run: BatchRun
  #cancelTimer = (): void => {}

  constructor(calls: readonly WaitingCall[], run: BatchRun) {
    this.calls = calls
    this.inputCount = calls.reduce((sum, { inputs }) => sum + inputs.length, 0)
    this.#run = run
  }

  /** Arms the timer that aborts the batch after its share of time. */
  limit(arm: (action: () => void) => () => void): void {
    this.#cancelTimer = arm(() => {
      this.isOutOfTime = true
      this.#run.abort(0)
    })
  }

  /**
   * Aborts the batch once all of its calls have left: one that leaves never harms another. It may
   * use up the time that they had left: who hangs up costs no thread that would have ended in time.
   */
  abortIfUnwanted(now: number): void {
    if (!this.calls.every((call) => call.isOver)) return
    const left = Math.max(0, ...this.calls.map(({ dueAt }) => dueAt - now))
    this.#run.abort(left < Number.POSITIVE_INFINITY ? left : 0)
  }

  end(): void {
    this.#cancelTimer()
  }
}
