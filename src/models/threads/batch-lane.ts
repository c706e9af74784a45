/** What works on one batch at a time: a thread. */
export interface BatchLane {
  /** Only called while the lane is free. */
  readonly start: (inputs: readonly unknown[]) => BatchRun
}

/** A batch under way. */
export interface BatchRun {
  /**
   * One output per input; rejects with a Fault or a Refusal. Settles within a short grace after
   * `abort`, whatever the model does.
   */
  readonly answer: Promise<readonly unknown[]>
  /**
   * Resolves when the lane is free for another batch: at once after an answer, or when the thread
   * that died has been replaced. Never rejects.
   */
  readonly free: Promise<void>
  /** Aborts the batch. Safe to call at any time. */
  readonly abort: () => void
}
