/** A moment by two clocks, in whole milliseconds: one that never jumps, and one that people set. */
export interface Moment {
  readonly steady: number
  readonly wall: number
}

/** What is used of one limit, as stored for the next process. */
export interface StoredUsage {
  /** The counter, as in `LimitUse`. */
  readonly name: string
  /** The limit's text, with the amount of that moment. */
  readonly limit: string
  /** When it was so, by the steady clock. */
  readonly at: number
  readonly count: StoredCount
  /** How much more may be used without being written: after a crash it counts as used. */
  readonly reserve: number
}

export type StoredCount = StoredWindow | StoredSpan

/** The state of a sliding window. */
export interface StoredWindow {
  readonly kind: 'window'
  /** As many as its capacity needs, in memory of its own. */
  readonly cells: Uint32Array
}

/** What was used of a day or month of the calendar. */
export interface StoredSpan {
  readonly kind: 'calendar'
  /** The span's first millisecond, by the wall clock. */
  readonly beginsAt: number
  /** When counting it began, by the steady clock. */
  readonly since: number
  readonly used: number
}

/**
 * Stores what is used of limits across restarts, for one process at a time: the port.
 *
 * Times are of a steady clock that continues from one process to the next. The time between them
 * is measured by the wall clock: if that was set back, no time has passed; set forward, it looks
 * like a longer pause.
 *
 * A call that fails throws `Fault('limiter_unavailable')`, and has then changed nothing.
 */
export interface UsageStore {
  /** Where the steady clock of this process begins: never before anything that is stored. */
  readonly beginsAt: number
  /** What is stored under a name, exactly: after a crash its reserve has been counted as used. */
  readonly read: (name: string) => StoredUsage | undefined
  /** Stores all of them or none; once this returns they outlive this process, however it ends. */
  readonly write: (usages: readonly StoredUsage[]) => void
  /** Stores what both clocks show: to call when they have advanced, or moved against each other. */
  readonly mark: (now: Moment) => void
  /** Deletes a bounded number of usages that have expired. To be called now and then. */
  readonly sweep: (now: Moment) => void
  readonly close: () => void
}
