/** A moment by two clocks, in whole milliseconds: one that never jumps, and the one that people set. */
export interface Moment {
  readonly steady: number
  readonly wall: number
}

/** What is used of one limit, as it is kept for the next process. */
export interface KeptUse {
  /** As in `LimitUse`. */
  readonly name: string
  /** The limit's text. */
  readonly limit: string
  /** When it was so, by the steady clock. */
  readonly at: number
  readonly count: KeptCount
  /** How much more may be used without being written: whoever finds it after a crash takes it for used. */
  readonly spare: number
}

export type KeptCount = KeptWindow | KeptSpan

/** The state of a sliding window. */
export interface KeptWindow {
  readonly kind: 'window'
  /** As many as `cellsOf` tells, of nobody else's memory. */
  readonly cells: Uint32Array
}

/** What was used of a stretch of the calendar. */
export interface KeptSpan {
  readonly kind: 'calendar'
  /** The stretch's first millisecond, by the wall clock. */
  readonly beginsAt: number
  /** When counting it began, by the steady clock. */
  readonly since: number
  readonly used: number
}

/**
 * Keeps across restarts what is used of limits, for one process at a time: the port that a store implements.
 *
 * Times are of a steady clock that goes on from one process to the next. The time between them is measured by the wall clock: where that
 * was set back, none has passed; that it was set forward nobody can tell from a longer pause.
 *
 * A call that cannot be carried out throws `Fault('limiter_unavailable')`, and has then changed nothing.
 */
export interface LimitMemory {
  /** Where the steady clock of this process begins: never before anything that was kept. */
  readonly beginsAt: number
  /** What is kept under a name, exactly: what was spare when a process ended without a word has been counted as used. */
  readonly read: (name: string) => KeptUse | undefined
  /** Keeps all of them or none; they outlive this process, however it ends, as soon as this returns. */
  readonly write: (uses: readonly KeptUse[]) => void
  /** Keeps what both clocks show: to be called when they have gone on, or moved against each other. */
  readonly mark: (now: Moment) => void
  /** Lets go of a bounded number of uses that are over. To be called now and then. */
  readonly tidy: (now: Moment) => void
  readonly close: () => void
}
