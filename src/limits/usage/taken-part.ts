import type { Limiter, LimitUse, Taking } from '../limiter.ts'
import type { Costs } from './costs.ts'

/**
 * One use that was counted, and when: a limit in shadow that would have refused was not counted. A
 * use that cost nothing may cost something when it is settled.
 */
export interface TakenPart {
  readonly use: LimitUse
  readonly at: number
}

/** What was taken of these uses. */
export function partsOf(
  uses: readonly LimitUse[],
  { shadows, at }: Pick<Taking, 'shadows' | 'at'>,
): readonly TakenPart[] {
  const parts: TakenPart[] = []
  for (const use of uses)
    if (shadows.length === 0 || !shadows.some((refusal) => refusal.use === use)) parts.push({ use, at })
  return parts
}

/**
 * Puts another cost in the place of each part's own, where it is another. Where the limiter fails,
 * the parts that it has not changed are as they were, and it can be asked again.
 *
 * @param keep gets, after each call of the limiter, what has become of each part
 */
export async function putCosts(
  limiter: Pick<Limiter, 'settle'>,
  parts: readonly TakenPart[],
  costOf: (part: TakenPart) => number,
  keep: (become: (part: TakenPart) => TakenPart) => void,
): Promise<void> {
  const different: { readonly part: TakenPart; readonly cost: number }[] = []
  for (const part of parts) {
    const cost = costOf(part)
    if (part.use.cost !== cost) different.push({ part, cost })
  }
  // At the end of most requests.
  if (different.length === 0) return
  for (const at of new Set(different.map(({ part }) => part.at))) {
    const together = different.filter(({ part }) => part.at === at)
    await limiter.settle(
      together.map(({ part }) => part.use),
      at,
      together.map(({ cost }) => cost),
    )
    const costs = new Map(together.map(({ part, cost }) => [part, cost]))
    keep((part) => {
      const cost = costs.get(part)
      return cost === undefined ? part : { ...part, use: { ...part.use, cost } }
    })
  }
}

/**
 * What each part comes to once it is known what was really used. A part keeps what it took as far
 * as that goes, so that it counts when it was taken, however late it is settled; what is more is in
 * the last. Parts of measures that are not named are left out.
 */
export function settledCosts(parts: readonly TakenPart[], costs: Costs): ReadonlyMap<TakenPart, number> {
  const settled = new Map<TakenPart, number>()
  const rest = new Map<string, { readonly left: number; readonly last: TakenPart }>()
  for (const part of parts) {
    const { counter, limit, cost } = part.use
    const used = Object.hasOwn(costs, limit.measure) ? costs[limit.measure] : undefined
    if (used === undefined) continue
    const left = rest.get(counter)?.left ?? used
    settled.set(part, Math.min(cost, left))
    rest.set(counter, { left: left - Math.min(cost, left), last: part })
  }
  for (const { left, last } of rest.values()) settled.set(last, (settled.get(last) ?? 0) + left)
  return settled
}
