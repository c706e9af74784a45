import type { Limit } from './limit.ts'

/** Whose limit it is, as headers and messages call it. */
export type LimitScope = 'key' | 'owner' | 'route' | 'everyone' | 'operational' | 'address'

/** One limit that a request meets, and what the request uses of it. */
export interface LimitUse {
  /** Whose limit it is and which, for messages: `key:7Qm2xT0bKc9Z 60/min`. */
  readonly name: string
  /**
   * What is counted together: subject, measure and window, `key:7Qm2xT0bKc9Z /min`. The amount is
   * no part of it: raising or lowering a limit keeps what was used. Of a limit in shadow it ends
   * with ` shadow`. No two have one name; uses are kept under it.
   */
  readonly counter: string
  readonly scope: LimitScope
  /** What the headers call it: `minute`, `owner-minute-tokens`. */
  readonly policy: string
  /** What headers say of it whatever its status. */
  readonly fields: LimitFields
  readonly limit: Limit
  /** How much of the measure, a whole number from 0 on. */
  readonly cost: number
  /** Whether it only reports what it would have refused. */
  readonly isShadow: boolean
  /**
   * Whether it counts what an address sends. Strangers have any number of addresses: a limiter
   * counts them in bounded memory, the last ones seen, and stores nothing of them.
   */
  readonly isOfAddress: boolean
}

/** The parts of a limit's headers that no request changes: see `limit-headers.ts`. */
export interface LimitFields {
  /** Its item in `RateLimit-Policy`: `"minute";q=60;w=60`. A month's length is added to it. */
  readonly policy: string
  /** Where its item in `RateLimit` begins: `"minute";r=` */
  readonly status: string
  /** Its amount. */
  readonly amount: string
}

/** How a limit stands after a request was taken, or refused. */
export interface LimitState {
  readonly use: LimitUse
  /** What is left of it, 0 to the amount. */
  readonly remaining: number
  /**
   * When more of it comes free: the next use to leave the window, or the end of the day or month.
   * Milliseconds from now; 0 where nothing is used.
   */
  readonly freesInMs: number
}

/** All of a request's limits, taken in one step or not at all. */
export interface Taking {
  /** Undefined where all were taken. The limit that passes last is the one that refuses. */
  readonly refusal: LimitRefusal | undefined
  /** Limits that would have refused, had they not been in shadow. They were not counted. */
  readonly shadows: readonly LimitRefusal[]
  /** One for each use, in the same order. */
  readonly states: readonly LimitState[]
  /**
   * When it was, whole milliseconds since the epoch: what is settled or given back is named by it.
   */
  readonly at: number
}

/** A limit that has no room for a request, and when it would have. */
export interface LimitRefusal {
  readonly use: LimitUse
  /**
   * When the same request would pass if no other came: milliseconds from now. Undefined for
   * requests in progress, whose end is unknown.
   */
  readonly retryInMs: number | undefined
}

/**
 * Counts uses: the port that every limiter implements, in this process or for a fleet. One call
 * takes all limits of a request.
 *
 * A limiter that is out of reach rejects with `Fault('limiter_unavailable')`.
 */
export interface Limiter {
  /**
   * Takes every use or, where one does not fit, none. A cost above a limit's amount is the caller's
   * to refuse before.
   */
  readonly take: (uses: readonly LimitUse[]) => Taking | Promise<Taking>
  /**
   * Puts what was really used in the place of what was taken at that moment, and ends what was
   * taken at once (`concurrent`). Costs are in the order of `uses`; 0 gives a use back.
   */
  readonly settle: (uses: readonly LimitUse[], at: number, costs: readonly number[]) => void | Promise<void>
  /**
   * Forgets what was used of these, stored usage included. What is under way at once (`concurrent`)
   * stays counted, and what was taken before gives nothing back afterwards.
   */
  readonly reset: (uses: readonly LimitUse[]) => void | Promise<void>
  /** What `take` would give, without taking anything. */
  readonly peek: (uses: readonly LimitUse[]) => Taking | Promise<Taking>
  /**
   * Whether it cannot count, or store what it has to, at present: requests that need it are then
   * `limiter_unavailable`, unless they are counted elsewhere meanwhile. @default never
   */
  readonly isOut?: () => boolean
  /**
   * Lets go of what it holds open. From then on nothing can be taken: that is
   * `limiter_unavailable`.
   */
  readonly close: () => Promise<void>
}
