import type { Refusal } from '../../core/refusal.ts'
import type { LimitState } from '../limiter.ts'
import type { Costs } from './costs.ts'
import { TakenReservation } from './taken-reservation.ts'

/** How a request ended: with its whole answer, or without. */
export type UsageOutcome = 'answered' | 'aborted'

/**
 * What an admitted request has taken of its limits, until it has ended: how they stand, and who
 * ends it. What a handler uses it reserves by `ward.reserve`.
 */
export interface RequestUsage {
  /** How each limit of the request stood when something was last taken, settled or given back. */
  readonly states: readonly LimitState[]
  /**
   * `RateLimit-Policy`, `RateLimit` and what OpenAI's clients read, by lower-case names; empty
   * where no limit applies.
   */
  readonly headers: Readonly<Record<string, string>>
  /** Whether a limit of the request counts this measure: only then is it worth measuring. */
  readonly counts: (measure: string) => boolean
  /**
   * How much of each measure the request has used so far, as its record says, whether a limit
   * counts it or not; `requests` is 0 for one that gave all back, and 1 where it is not named.
   */
  readonly used: Costs
  /** Whether `end` has something to do: only then is it worth listening for the request's end. */
  readonly isOpen: boolean
  /** Called when `states` and `headers` have changed; an adapter then sends the headers again. */
  readonly onStates: (listener: () => void) => void
  /** Nothing reads `states` and `headers` any more: how limits stand is not asked again. */
  readonly endStates: () => void
  /** Gives back all that the request took, because it is refused after all. */
  readonly giveBack: () => void | Promise<void>
  /**
   * Releases what is counted at once. After an abort, estimates that were not settled are given
   * back. Calling it again does nothing.
   */
  readonly end: (outcome: UsageOutcome) => void | Promise<void>
  /** The request is over: ends its usage, unless that is detached. */
  readonly endRequest: (outcome: UsageOutcome) => void | Promise<void>
  /**
   * Work on the request has begun that may go on when its answer is gone: until `release`, the
   * request is not over. Undone once by each `release`.
   */
  readonly hold: () => void
  /** That work has ended; ends the usage where the answer is gone already. */
  readonly release: () => void | Promise<void>
  /**
   * Transfers the usage to a job, which ends it later than its request does. False where there is
   * nothing to end, or the usage is detached already.
   */
  readonly detach: () => boolean
  /** Transfers the usage back, because no job was made; ends it now where its request is over. */
  readonly attach: () => void | Promise<void>
  /** Whether a job has this usage. */
  readonly isDetached: boolean
}

/** The same for the guard, and for what it admits outside of an adapter: it takes and settles. */
export interface Usage extends RequestUsage {
  /**
   * Takes measures that are known only now, such as the characters of the body: all of them or,
   * where one does not fit, none. What the request took before is then given back, for it is
   * refused.
   *
   * @throws TypeError for a cost that is not a whole number from 0 on
   */
  readonly take: (costs: Costs) => Refusal | undefined | Promise<Refusal | undefined>
  /**
   * Takes the most that work on the request may use: all of it or, where a limit has no room, none.
   * What the request took of these measures before, as its demand's cost, is part of its first
   * reservation. A refused first reservation gives back all that the request took, and a smaller
   * one that is tried after it takes that again; a later one gives nothing back: work has begun.
   *
   * @param isWanted asked when all of it is taken; where it says no, that is given back
   * @returns undefined where it is not wanted any more
   * @throws TypeError for a cost that is not a whole number from 0 on
   */
  readonly reserve: (costs: Costs, isWanted: () => boolean) => Promise<TakenReservation | Refusal | undefined>
  /**
   * Puts what was really used in the place of what was taken, nothing or an estimate, for the
   * measures that are named. It counts even beyond the limit.
   */
  readonly settle: (costs: Costs) => void | Promise<void>
  /**
   * Hands over what was taken of these measures: the taker settles it, here or by its `parts` in
   * another process, and records it. Nothing here touches or tells of it any more.
   */
  readonly handOver: (measures: readonly string[]) => TakenReservation
}

/** Of a request that no limit applies to. */
export const noUsage: Usage = Object.freeze({
  states: [],
  headers: {},
  used: {},
  isOpen: false,
  counts: () => false,
  take: () => undefined,
  reserve: async (costs: Costs) => new TakenReservation({ costs }),
  settle: () => {},
  handOver: () => new TakenReservation({ costs: {} }),
  onStates: () => {},
  endStates: () => {},
  giveBack: () => {},
  end: () => {},
  endRequest: () => {},
  hold: () => {},
  release: () => {},
  detach: () => false,
  attach: () => {},
  isDetached: false,
})
