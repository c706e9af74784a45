import type { Costs } from '../../limits/costs.ts'
import type { SaidUsage } from '../answer/stream-reader.ts'
import type { CallBound } from '../body/bound.ts'

/** Where a call's usage is known from. */
export type UsageSource = 'upstream' | 'estimated' | 'reserved' | 'none'

/** How much of a call is charged. */
export type ChargedBy =
  /** What the upstream says, else an estimate of what was delivered. */
  | 'delivered'
  /** What the upstream says, else nothing. */
  | 'said'
  /** All that was reserved. */
  | 'reserved'
  /** Nothing but the request. */
  | 'nothing'

export interface Charge {
  readonly source: UsageSource
  readonly costs: Costs
}

export interface ChargeInput {
  readonly said: SaidUsage | undefined
  /** Within the bound. */
  readonly estimated: { readonly prompt: number; readonly completion: number }
  readonly bound: CallBound
}

/** What a call is charged of tokens. An estimate is never more than what was reserved. */
export function chargeOf(by: ChargedBy, { said, estimated, bound }: ChargeInput): Charge {
  if (by === 'nothing') return { source: 'none', costs: costsOf(0, 0) }
  if (by === 'reserved') return { source: 'reserved', costs: costsOf(bound.prompt, bound.completion) }
  if (said?.prompt === undefined && said?.completion === undefined)
    return by === 'said'
      ? { source: 'none', costs: costsOf(0, 0) }
      : {
          source: 'estimated',
          costs: costsOf(estimated.prompt, estimated.completion),
        }
  const isWhole = said.prompt !== undefined && said.completion !== undefined
  const prompt = said.prompt ?? estimated.prompt
  const completion = said.completion ?? estimated.completion
  return {
    source: isWhole ? 'upstream' : 'estimated',
    costs: {
      ...costsOf(prompt, completion),
      ...(said.cached !== undefined && { cached_tokens: said.cached }),
      ...(said.reasoning !== undefined && { reasoning_tokens: said.reasoning }),
    },
  }
}

/** What an upstream says may be of any size; beyond a safe integer nothing can be counted. */
function costsOf(prompt: number, completion: number): Costs {
  const tokens = Math.min(prompt + completion, Number.MAX_SAFE_INTEGER)
  return { tokens, prompt_tokens: prompt, completion_tokens: completion }
}
