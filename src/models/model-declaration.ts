/**
 * What a model says of itself, without its functions: what may cross a thread. Defaults are filled
 * in.
 */
export interface ModelDeclaration {
  readonly name: string
  readonly version: string
  readonly runs: 'inline' | 'threaded'
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
