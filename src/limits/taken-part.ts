import type { Costs } from './costs.ts'
import type { LimitUse } from './limiter.ts'

/**
 * One use that was counted, and when: a limit in shadow that would have refused was not counted. A
 * use that cost nothing may cost something when it is settled.
 */
export interface TakenPart {
  readonly use: LimitUse
  readonly at: number
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
