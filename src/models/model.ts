/** What a model may know about the call it answers. */
export interface ModelCall {
  /**
   * Aborts when the deadline passes or the client goes away. Created on first read, so a model that
   * never looks pays nothing. A threaded model that computes without a pause sees it by reading
   * `call.signal.aborted` again: each read of `call.signal` looks anew.
   */
  readonly signal: AbortSignal
}

/**
 * Something that answers inputs. A user's module exports one: `export default` or `export const
 * model`.
 */
export interface Model<Input = string, Output = unknown> {
  /**
   * 1 to 56 of `a-z 0-9 . _ : -`, starting with a letter or digit: it stands in a path and in a
   * scope, `predict:NAME`.
   */
  readonly name: string
  /**
   * Stands in answers beside the name, e.g. `sentiment-1`; changes whenever an answer may change.
   */
  readonly version: string
  /**
   * `inline` answers within microseconds on the calling thread; `threaded` would hold up other
   * requests there and needs a thread; `process` loads native code or much memory, and needs a
   * process that may be killed without harm to this one.
   */
  readonly runs: 'inline' | 'threaded' | 'process'
  /** What an input is: a text, or any JSON value. @default 'text' */
  readonly input?: 'text' | 'json'
  /** Most inputs of one `predict`, 1 to 10,000. @default 32 */
  readonly batchMax?: number
  /**
   * Longest that a call to a threaded model waits for others to share its batch, 0 to 10,000 ms. 0:
   * only while all threads are busy.
   * @default 0
   */
  readonly batchDelayMs?: number
  /**
   * Longest that a call may take, waiting included, 1 to 3,600,000 ms.
   * @default the server's own, 5,000
   */
  readonly deadlineMs?: number
  /**
   * Threads of a threaded model, or processes of one that runs in a process, 1 to 64; each loads a
   * model of its own.
   * @default the machine's cores less one, at most 4
   */
  readonly threads?: number
  /**
   * Called once before the first `predict`, on the thread that predicts; the model is ready when it
   * has ended.
   */
  readonly warmUp?: () => unknown
  /** Called once when the server closes, on the thread that predicts. */
  readonly close?: () => unknown
  /**
   * One output per input, in order; each a JSON value. Throws `Refusal('input_invalid')` for an
   * input that it cannot take.
   */
  readonly predict: (
    inputs: readonly Input[],
    call: ModelCall,
  ) => readonly Output[] | Promise<readonly Output[]>
}

/**
 * What a model says of itself, without its functions: what may cross a thread. Defaults are filled
 * in.
 */
export interface ModelDeclaration {
  readonly name: string
  readonly version: string
  readonly runs: 'inline' | 'threaded' | 'process'
  readonly input: 'text' | 'json'
  readonly batchMax: number
  readonly batchDelayMs: number
  /** Undefined where the server's own applies. */
  readonly deadlineMs: number | undefined
  /** Undefined where the machine decides. */
  readonly threads: number | undefined
}

/** Inputs of one `predict` where the model says nothing. */
export const defaultBatchMax = 32

/** A model behind its deadline, its threads and its queue. */
export interface ServedModel {
  readonly name: string
  readonly version: string
  readonly input: 'text' | 'json'
  readonly runs: 'inline' | 'threaded' | 'process'
  /** Most inputs that one call of the model takes; `predict` takes more, in slices. */
  readonly batchMax: number
  /**
   * How many inputs at once keep it busy; more only wait. Undefined for an inline model, which
   * answers one call after the other anyway.
   */
  readonly concurrency?: number
  /** For calls that name no deadline, in milliseconds. */
  readonly deadlineMs: number
  /**
   * One output per input, in order, each a JSON value. An inline model that answers at once is
   * answered at once, and throws at once.
   *
   * @throws Fault `model_timeout` past the deadline, or at once where less is left than the model
   *   usually takes; `overloaded`, with `retryAfterSeconds`, when too much waits or the call would
   *   wait past its deadline; `model_failed` when the model or its thread fails or its answer is
   *   too large; Refusal `input_invalid` where the model refuses an input
   */
  readonly predict: (
    inputs: readonly unknown[],
    options?: PredictOptions,
  ) => readonly unknown[] | Promise<readonly unknown[]>
  /**
   * The same as the JSON that `/predict` answers, one object per input with commas between them:
   * the text, the output, the model's name and version. Written where the model runs; by a thread
   * in UTF-8, which is sent as it is.
   */
  readonly predictJson: (
    inputs: readonly unknown[],
    options?: PredictOptions,
  ) => string | Uint8Array | Promise<string | Uint8Array>
  readonly load: () => ModelLoad
  /**
   * Whether it cannot answer now: each of its threads or processes has ended and the next could not
   * load it, which is tried all the time, or native code does not return. @default never
   */
  readonly isOut?: () => boolean
}

/** How one call is answered, and when it is cancelled. */
export interface PredictOptions {
  /**
   * Whose call it is: owners that wait for a threaded model take turns, and what one of them waits
   * for decides whether it is refused. @default one owner for all callers that name none
   */
  readonly owner?: string | undefined
  /**
   * Cancels the call: a waiting one leaves the queue, a running one is aborted. The promise rejects
   * with the signal's reason.
   */
  readonly signal?: AbortSignal
  /**
   * Milliseconds from now, waiting included; infinite: it is never refused for its wait.
   * @default the model's own
   */
  readonly deadlineMs?: number
  /**
   * For a call that may wait for as long as it takes, such as a job's: it is never refused for its
   * wait, and `deadlineMs` runs from each time that the model begins with it. Called when a
   * threaded model has queued it, before `predict` returns.
   */
  readonly onQueued?: () => void
  /**
   * Registers a listener for the client going away: as `signal`, for callers that would pay for a
   * signal.
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
