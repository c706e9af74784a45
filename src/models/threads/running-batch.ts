import type { BatchRun } from './batch-lane.ts'
import type { WaitingCall } from './waiting-call.ts'

export interface RunningBatchOptions {
  /** By the queue's clock, in milliseconds. */
  readonly startedAt: number
  /** See `input-size.ts`. */
  readonly size: number
  /** How long it is expected to take, in milliseconds; 0 where that is not known. */
  readonly usualMs: number
}

/** Calls that a lane works on together. */
export class RunningBatch implements RunningBatchOptions {
  readonly calls: readonly WaitingCall[]
  readonly inputCount: number
  readonly startedAt: number
  readonly size: number
  readonly usualMs: number
  /** Whether it was aborted because it took more than its share of its calls' time. */
  isOutOfTime = false
  isAborted = false
  /** Whether its lane may have another; mostly so before it has ended here. */
  isFree = false
  #endedAt: number | undefined
  readonly #run: BatchRun
  #cancelTimer = (): void => {}

  constructor(calls: readonly WaitingCall[], run: BatchRun, options: RunningBatchOptions) {
    this.calls = calls
    this.inputCount = calls.reduce((sum, { inputs }) => sum + inputs.length, 0)
    this.startedAt = options.startedAt
    this.size = options.size
    this.usualMs = options.usualMs
    this.#run = run
  }

  /** Arms the timer that aborts the batch after its share of time. */
  limit(arm: (action: () => void) => () => void): void {
    this.#cancelTimer = arm(() => {
      this.isOutOfTime = true
      this.#abort(0)
    })
  }

  /**
   * Aborts the batch once all of its calls have left: one that leaves never harms another. It may
   * use up the time that they had left: who hangs up costs no thread that would have ended in time.
   */
  abortIfUnwanted(now: number): void {
    if (!this.calls.every((call) => call.isOver)) return
    // The deadline of a job is long, and none of its owner's places is taken while it runs on.
    const left = this.calls.map(({ dueAt, mayWait }) => (mayWait ? 0 : dueAt - now))
    this.#abort(Math.max(0, ...left))
  }

  /**
   * Milliseconds until its lane is expected to be free. How long a lane is away after a batch is
   * not known: it is taken to be half over.
   */
  leftMs(now: number): number {
    if (this.#endedAt !== undefined) return now - this.#endedAt
    return Math.max(0, this.startedAt + this.usualMs - now)
  }

  end(now: number): void {
    this.#endedAt = now
    this.#cancelTimer()
  }

  #abort(leftMs: number): void {
    this.isAborted = true
    this.#run.abort(leftMs)
  }
}
