/** One call of a batch. */
export interface BatchCall {
  readonly inputs: readonly unknown[]
  /** What is written for each input: the model's output, or the prediction that holds it. */
  readonly writes: 'outputs' | 'predictions'
}

/**
 * What a call comes to: JSON in UTF-8, one value per input with commas between them. `too large`:
 * longer than an answer may be. `no room`: other calls of the batch have filled what may be sent at
 * once, and this one is to be run again by itself.
 */
export type CallAnswer = Uint8Array | 'too large' | 'no room'

/** What works on one batch at a time: a thread. */
export interface BatchLane {
  /** Only called while the lane is free. */
  readonly start: (calls: readonly BatchCall[]) => BatchRun
}

/** A batch under way. */
export interface BatchRun {
  /**
   * One answer per call; rejects with a Fault or a Refusal. Settles within the time that `abort`
   * gives and a short grace, whatever the model does.
   */
  readonly answers: Promise<readonly CallAnswer[]>
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
