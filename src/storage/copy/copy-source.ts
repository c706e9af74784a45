import type { CopiedRow, CopiedTable } from './copied-tables.ts'

/** How times of limits are carried over: the folder's clock has a beginning of its own. */
export interface CopiedClock {
  /** Added to a time of the source's steady clock, it is one of the database's; milliseconds. */
  readonly shiftMs: number
  /** When the copy began, by the database's clock. No use is later. */
  readonly now: number
}

/** A deployment that is copied: nothing else writes it meanwhile. */
export interface CopySource {
  /** Names the deployment: a UUID, drawn with its first copy. */
  readonly id: string
  /** What messages call it. */
  readonly name: string
  /** The public half of its signing key, base64url. */
  readonly publicKey: string
  /** Where it was copied to before; undefined where it was not. */
  readonly movedTo: string | undefined
  /** What its steady clock shows now. */
  readonly steadyNow: () => number
  /**
   * The rows of a table in the order of its key, a page at a time; behind a row, where one is
   * named by its key.
   *
   * @throws SetupError `data_corrupt` for a row that is not the one that was written
   */
  readonly rows: (table: CopiedTable, clock: CopiedClock, after?: CopiedRow) => Iterable<CopiedRow>
  /** Lets no server open it from here on, durably. */
  readonly markMoved: (to: string) => void
  readonly close: () => Promise<void>
}
