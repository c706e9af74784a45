/** A whole answer, as repeats of its call get it. */
export interface KeptAnswer {
  readonly status: number
  /** Those of the upstream that go on to a client, lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Keeps the answer of one call for its repeats, which are refused until it has done either. */
export interface AnswerKeeper {
  /** Resolves once it is durable. @throws Fault `store_unavailable` */
  readonly keep: (answer: KeptAnswer) => Promise<void>
  /** There is nothing to keep: a repeat is a call of its own. Does nothing after `keep`. */
  readonly release: () => Promise<void>
}
