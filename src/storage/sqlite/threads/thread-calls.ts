/** A call on its way to a thread. */
export interface ThreadRequest {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

/** And the answer. */
export type ThreadAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: ThreadFailure }

/** An error, as far as it can travel between threads. */
export interface ThreadFailure {
  /** Of a SetupError; undefined for any other. */
  readonly setupCode: string | undefined
  readonly message: string
}

/** The calls that a thread may answer, by name: each takes one argument that can be cloned. */
export type CallTable<Calls> = { readonly [Name in keyof Calls]: (argument: never) => unknown }
