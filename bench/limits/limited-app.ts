/** At most so many requests in a time. */
export interface AppLimit {
  readonly amount: number
  readonly windowMs: number
}

/** An app, or a limiter, that one caller asks. */
export interface LimitedApp {
  /** Sends one request of the caller's; tells whether it was admitted. */
  readonly ask: () => Promise<boolean>
  /** Moves a clock of its own, where it has one that is not the process's. */
  readonly advance?: (ms: number) => void
  readonly close?: () => Promise<void> | void
}

/**
 * Opens one with these limits of the caller, which it asks in this order. Undefined: it has no way
 * to say that.
 */
export type OpenLimitedApp = (
  limits: readonly AppLimit[],
) => LimitedApp | undefined | Promise<LimitedApp | undefined>
