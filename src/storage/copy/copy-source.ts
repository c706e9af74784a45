import type { CopiedRow, CopiedTable } from './copied-tables.ts'
import type { DamagedCopyRow } from './damaged-rows.ts'

/** How times of limits are carried over: the folder's clock has a beginning of its own. */
export interface CopiedClock {
  /** Added to a time of the source's steady clock, it is one of the database's; milliseconds. */
  readonly shiftMs: number
  /** When the copy began, by the database's clock. No use is later. */
  readonly now: number
}

/** The blocks of a ledger, for a copy that brings most of them behind all else. */
export interface SourceHistory {
  /** Id of the newest; 0 without one. */
  readonly newest: () => number
  /** Up to which block sums of usage count; 0 without any. */
  readonly summedUp: () => number
  /** How many there are below one, and the latest time of their records. */
  readonly measureBelow: (front: number) => { readonly blocks: number; readonly latestAt: number }
  /** Those below one, the newest first; some at once, of about a megabyte, and none at the end. */
  readonly pageBelow: (front: number) => readonly CopiedRow[]
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
   * Looks through all rows that tell whether they are the ones that were written. From then on
   * `rows` leaves out those that are not, with what belongs to them, and counts without them.
   *
   * @throws SetupError `data_corrupt` for a file that is damaged otherwise
   */
  readonly findDamaged: () => readonly DamagedCopyRow[]
  /**
   * The rows of a table in the order of its key, a page at a time; behind a row, where one is
   * named by its key.
   *
   * @throws SetupError `data_corrupt` for a row that is not the one that was written, and was not
   *   found so before
   */
  readonly rows: (table: CopiedTable, clock: CopiedClock, after?: CopiedRow) => Iterable<CopiedRow>
  /** Undefined without a ledger. */
  readonly history: SourceHistory | undefined
  /** Lets no server open it from here on, durably. */
  readonly markMoved: (to: string) => void
  readonly close: () => Promise<void>
}
