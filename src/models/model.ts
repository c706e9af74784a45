/** What a model may know about the call it answers. */
export interface ModelCall {
  /** Aborts when the deadline passes or the client goes away. Created on first read, so a model that never looks pays nothing. */
  readonly signal: AbortSignal
}

/** Something that answers inputs. */
export interface Model<Input = string, Output = unknown> {
  readonly name: string
  /** Shown in answers as the model's identity, e.g. `sentiment-1`; changes whenever an answer may change. */
  readonly version: string
  /** `inline` answers within microseconds on the calling thread; `threaded` would hold up other requests there and needs a worker. */
  readonly runs: 'inline' | 'threaded'
  /** One output per input, in order. */
  readonly predict: (
    inputs: readonly Input[],
    call: ModelCall,
  ) => readonly Output[] | Promise<readonly Output[]>
}
