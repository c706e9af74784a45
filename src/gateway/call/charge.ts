import type { Costs } from '../../limits/usage/costs.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { PromptRatios, TokenCounts } from '../answer/estimate-usage.ts'
import type { ReceivedContent, SaidUsage } from '../answer/stream-reader.ts'
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
  /** Within the bound; of most calls nothing needs to be estimated. */
  readonly estimate: () => TokenCounts
  readonly bound: CallBound
}

/** What a call is charged of tokens. An estimate is never more than what was reserved. */
function chargeOf(by: ChargedBy, { said, estimate, bound }: ChargeInput): Charge {
  if (by === 'nothing') return { source: 'none', costs: costsOf(0, 0) }
  if (by === 'reserved') return { source: 'reserved', costs: costsOf(bound.prompt, bound.completion) }
  const { prompt, completion } = said ?? {}
  if (prompt !== undefined && completion !== undefined)
    return { source: 'upstream', costs: { ...costsOf(prompt, completion), ...partsOf(said) } }
  if (by === 'said' && prompt === undefined && completion === undefined)
    return { source: 'none', costs: costsOf(0, 0) }
  const estimated = estimate()
  const costs = costsOf(prompt ?? estimated.prompt, completion ?? estimated.completion)
  return { source: 'estimated', costs: { ...costs, ...partsOf(said) } }
}

/** What is said of parts of a prompt and of an answer. */
function partsOf({ cached, reasoning }: Pick<SaidUsage, 'cached' | 'reasoning'> = {}): Costs {
  return {
    ...(cached !== undefined && { cached_tokens: cached }),
    ...(reasoning !== undefined && { reasoning_tokens: reasoning }),
  }
}

/** What is known of a call as it was reserved. */
export interface ChargedCall {
  readonly publicName: string | undefined
  /** Bytes of the body as it came, without those of its images. */
  readonly bodyBytes: number
  readonly imageTokens: number
  readonly bound: CallBound | undefined
  /** Tokens of the prompt, where the upstream has counted them. */
  readonly promptTokens?: number | undefined
}

/**
 * What a call is charged by what was delivered of its answer, which teaches what prompts of its
 * model come to; undefined where its route has no tokens.
 */
export function chargeOfCall(
  ratios: PromptRatios,
  { publicName, bodyBytes, imageTokens, bound, promptTokens }: ChargedCall,
  { said, ...content }: ReceivedContent & { readonly said: SaidUsage | undefined },
  by: ChargedBy,
): Charge | undefined {
  if (bound === undefined || publicName === undefined) return undefined
  // Before it is learnt from: what it says itself is no estimate.
  const estimate = (): TokenCounts => {
    const { prompt, completion } = ratios.estimate(publicName, bodyBytes, content, bound)
    return { prompt: Math.min(promptTokens ?? prompt + imageTokens, bound.prompt), completion }
  }
  const charge = chargeOf(by, { said, estimate, bound })
  // An image has far fewer tokens for each of its bytes: of text it teaches nothing.
  if (said?.prompt !== undefined && imageTokens === 0) ratios.learn(publicName, bodyBytes, said.prompt)
  return charge
}

/** Counts what a call of an upstream was charged; nothing where its route has no tokens. */
export function measureCharge(
  { measures }: Pick<Telemetry, 'measures'>,
  upstream: string | undefined,
  publicName: string | undefined,
  charge: Charge | undefined,
): void {
  if (upstream === undefined || publicName === undefined || charge === undefined) return
  const { prompt_tokens: prompt = 0, completion_tokens: completion = 0 } = charge.costs
  measures.upstreamTokens(upstream, publicName, { prompt, completion })
}

/** What an upstream says may be of any size; beyond a safe integer nothing can be counted. */
function costsOf(prompt: number, completion: number): Costs {
  const tokens = Math.min(prompt + completion, Number.MAX_SAFE_INTEGER)
  return { tokens, prompt_tokens: prompt, completion_tokens: completion }
}
