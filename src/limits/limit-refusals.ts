import { Refusal, type RefusalCode } from '../core/refusal.ts'
import type { Limit } from './limit.ts'
import { limitHeaders, secondsOf } from './limit-headers.ts'
import type { LimitRefusal, LimitScope, LimitState, LimitUse, Taking } from './limiter.ts'

const codes: Readonly<Record<Limit['kind'], RefusalCode>> = {
  window: 'rate_limited',
  calendar: 'quota_exhausted',
  concurrent: 'concurrency_limited',
}

const owners: Readonly<Record<LimitScope, string>> = {
  key: 'this API key',
  owner: 'its owner',
  route: 'this route',
  everyone: 'everyone',
  operational: 'operational requests',
  address: 'this address',
}

/** The refusal of the limit that passes last, with how all of the request's limits stand. */
export function refuse({ use, retryInMs }: LimitRefusal, { states, at }: Taking): Refusal {
  const whose = `The limit of ${owners[use.scope]}, ${use.limit.text}, is used up`
  // When a request in progress will end is unknown.
  const seconds = retryInMs === undefined ? 1 : Math.max(1, secondsOf(retryInMs))
  const when = retryInMs === undefined ? 'try again when a request has ended' : `try again in ${seconds} s`
  const refusal = new Refusal(codes[use.limit.kind], `${whose}; ${when}.`, {
    headers: { 'retry-after': `${seconds}`, ...limitHeaders(states, at) },
    reason: use.name,
  })
  refusedBy.set(refusal, { use, states })
  return refusal
}

const refusedBy = new WeakMap<Refusal, { readonly use: LimitUse; readonly states: readonly LimitState[] }>()

/** How the limits of a request stood that one of them refused; undefined for another refusal. */
export function statesOf(refusal: Refusal): readonly LimitState[] | undefined {
  return refusedBy.get(refusal)?.states
}

/** What the limit counts that refused: `requests`, `tokens`; undefined for another refusal. */
export function refusingMeasureOf(refusal: Refusal): string | undefined {
  return refusedBy.get(refusal)?.use.limit.measure
}

/**
 * More than the limit allows at all: there is no moment at which it would pass, and so none to
 * name.
 */
export function refuseForGood(use: LimitUse): Refusal {
  const { amount, measure, text } = use.limit
  const msg = `This costs ${use.cost} ${measure}, and the limit of ${owners[use.scope]} is ${text}: it can never pass`
  return new Refusal('input_invalid', msg, {
    errors: [
      {
        loc: ['body'],
        msg: `${measure}: expected at most ${amount}, got ${use.cost}`,
        type: 'cost_too_high',
      },
    ],
    reason: use.name,
  })
}
