/** What works on one batch at a time: a thread. */
export interface BatchLane {
  /** Only called while the lane is free. */
  readonly start: (inputs: readonly unknown[]) => BatchRun
}

/** A batch under way. */
export interface BatchRun {
  /**
   * One output per input; rejects with a Fault or a Refusal. Settles within the time that `abort`
   * gives and a short grace, whatever the model does.
   */
  readonly answer: Promise<readonly unknown[]>
  /**
   * Resolves when the lane is free for another batch: at once after an answer, or when the thread
   * that died has been replaced. Never rejects.
   */
  readonly free: Promise<void>
  /**
   * Asks the model to end the batch, and ends its thread where it has not done so `leftMs`
   * milliseconds and a short grace later. Safe to call at any time; the earliest end holds.
   */
  readonly abort: (leftMs: number) => void
}
