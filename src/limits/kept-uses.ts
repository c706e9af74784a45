/**
 * What is used of a long limit, as it is kept for the case that the fleet's limiter forgets. It
 * says at every moment at least what was used: the cells, and all of the spare, used now.
 */
export interface KeptUses {
  /** The counter, as in `LimitUse`. */
  readonly name: string
  /** The limit's text, with the amount of that moment. */
  readonly limit: string
  /** The limiter's cell; only the limiter reads it. */
  readonly cells: Uint8Array
  /** How much more may be used without being written. */
  readonly spare: number
  /** Of these writings; each has a larger one. From 1 on. */
  readonly version: number
}

/** Stores kept uses, for all nodes: the port. */
export interface KeptUsesStore {
  /** Undefined where nothing is kept. Rejects with a Fault where it cannot be read. */
  readonly read: (name: string) => Promise<KeptUses | undefined>
  /**
   * Puts a row in the place of the one that has the version seen; 0: of no row. False, and
   * nothing is written, where another stands there meanwhile, or the limiter's epoch is another
   * one. Rejects with a Fault; it may be written then.
   */
  readonly write: (row: KeptUses, seenVersion: number, epoch: string) => Promise<boolean>
  /**
   * Deletes a bounded number of rows that were written more than 62 days ago, and returns how
   * many: a spare is used within 30 days, and no limit counts for more than 31. To be called now
   * and then.
   */
  readonly sweep: () => Promise<number>
}
