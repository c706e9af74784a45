import { secondsOf } from './limit-headers.ts'
import type { LimitScope, LimitState } from './limiter.ts'

/** How one limit of a key stands, as the admin API and the command line show it. */
export interface LimitView {
  /** As it was set: `60/min`, `shadow 10/min`. */
  readonly limit: string
  /**
   * Whose it is: the key's own or the default in its place, its owner's, a route's, or everyone's.
   */
  readonly of: LimitScope
  readonly used: number
  readonly remaining: number
  /**
   * Seconds until more of it comes free; 0 where nothing is used, null where it is a matter of
   * requests that are under way.
   */
  readonly frees_in: number | null
  /**
   * Seconds until one more request passes this limit; 0: now. Null where that is a matter of
   * requests that are under way.
   */
  readonly passes_in: number | null
}

/** Shows how a limit stands. */
export function viewLimit(state: LimitState): LimitView {
  const { use, remaining, freesInMs } = state
  const { amount, kind, text } = use.limit
  const isAtOnce = kind === 'concurrent'
  const isUsedUp = remaining === 0 && !use.isShadow
  return {
    limit: use.isShadow ? `shadow ${text}` : text,
    of: use.scope,
    used: amount - remaining,
    remaining,
    frees_in: isAtOnce ? (remaining === amount ? 0 : null) : secondsOf(freesInMs),
    passes_in: isUsedUp ? (isAtOnce ? null : secondsOf(freesInMs)) : 0,
  }
}
