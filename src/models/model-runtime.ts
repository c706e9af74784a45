/**
 * Models that are loaded and ready, by name. The first is the one that is asked where none is
 * named.
 */
export interface ModelRuntime {
  readonly models: ReadonlyMap<string, ServedModel>
  /**
   * Waits for no call: what is still waiting or running fails with `overloaded`. Safe to call
   * twice.
   */
  readonly close: () => Promise<void>
}

/** A model behind its deadline, its threads and its queue. */
export interface ServedModel {
  readonly name: string
  readonly version: string
  readonly input: 'text' | 'json'
  readonly runs: 'inline' | 'threaded'
  /** Most inputs that one call of the model takes; `predict` takes more, in slices. */
  readonly batchMax: number
  /**
   * How many inputs at once keep it busy; more only wait. Undefined for an inline model, which
   * answers one call after the other anyway.
   */
  readonly concurrency?: number
  /** In milliseconds, for calls that name none. */
  readonly deadlineMs: number
  /**
   * One output per input, in order, each a JSON value. An inline model that answers at once is
   * answered at once, and throws at once.
   *
   * @throws Fault `model_timeout` past the deadline, `model_failed` when the model or its thread
   *   fails, `overloaded` when too much waits; Refusal `input_invalid` where the model refuses an
   *   input
   */
  readonly predict: (
    inputs: readonly unknown[],
    options?: PredictOptions,
  ) => readonly unknown[] | Promise<readonly unknown[]>
  readonly load: () => ModelLoad
}

/** How one call is to be answered, and when it is given up. */
export interface PredictOptions {
  /**
   * Gives the call up: a waiting one leaves the queue, a running one is aborted. The promise
   * rejects with the signal's reason.
   */
  readonly signal?: AbortSignal
  /** Milliseconds from now, waiting included. @default the model's own */
  readonly deadlineMs?: number
  /**
   * Registers what is to be called when the client goes away: as `signal`, for callers that would
   * pay for a signal.
   */
  readonly onClientGone?: (listener: () => void) => void
}

/**
 * How much of a threaded model's work there is, in inputs; zeros for an inline model that answers
 * at once.
 */
export interface ModelLoad {
  readonly waiting: number
  readonly running: number
}
