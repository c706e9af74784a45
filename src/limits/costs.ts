/** How much of each measure, whole numbers from 0 on. */
export type Costs = Readonly<Record<string, number>>

/** Own ones alone: a measure may be called `constructor`. */
export function costOf(measure: string, costs: Costs): number {
  return Object.hasOwn(costs, measure) ? (costs[measure] ?? 0) : 0
}

/** @throws TypeError for a cost that is not a whole number from 0 on */
export function checkCosts(where: string, costs: Costs): void {
  for (const [measure, cost] of Object.entries(costs))
    if (!Number.isSafeInteger(cost) || cost < 0)
      throw new TypeError(`usage.${where}: \`${measure}\`: expected a whole number from 0 on, got ${cost}`)
}
