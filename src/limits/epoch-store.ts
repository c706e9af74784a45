/**
 * A time in which the fleet's limiter has forgotten nothing. What one epoch counted is not seen in
 * the next.
 */
export interface LimiterEpoch {
  /** Drawn at random. */
  readonly epoch: string
  /** The run of the server that counts in it: a restarted server has another. */
  readonly runId: string
  /**
   * When it began, milliseconds since the epoch by the limiter's clock. 0: it is the deployment's
   * first, and nothing can have been counted before.
   */
  readonly beganAt: number
}

/** Stores which epoch of the limiter it is, for all nodes: the port. */
export interface EpochStore {
  /** Undefined where there never was one. Rejects with a Fault where it cannot be read. */
  readonly read: () => Promise<LimiterEpoch | undefined>
  /**
   * Puts `next` in the place of the epoch that was `seen`, undefined for none. False where another
   * epoch stands there meanwhile: of those who come at once, the first wins.
   */
  readonly replace: (seen: string | undefined, next: LimiterEpoch) => Promise<boolean>
}
