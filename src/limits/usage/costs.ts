/** How much of each measure, whole numbers from 0 on. */
export type Costs = Readonly<Record<string, number>>

/** Own ones alone: a measure may be called `constructor`. */
export function costOf(measure: string, costs: Costs): number {
  return Object.hasOwn(costs, measure) ? (costs[measure] ?? 0) : 0
}

/** The larger of both for each measure of the first. */
export function largerCosts(costs: Costs, others: Costs): Costs {
  return Object.fromEntries(
    Object.entries(costs).map(([measure, cost]) => [measure, Math.max(cost, costOf(measure, others))]),
  )
}

/** @throws TypeError for a cost that is not a whole number from 0 on */
export function checkCosts(where: string, costs: Costs): void {
  for (const [measure, cost] of Object.entries(costs))
    if (!Number.isSafeInteger(cost) || cost < 0)
      throw new TypeError(`usage.${where}: \`${measure}\`: expected a whole number from 0 on, got ${cost}`)
}

const oneRequest: Costs = Object.freeze({ requests: 1 })

/**
 * What a request uses of each measure, whether a limit counts it or not: of one that none counts,
 * or that is in shadow and full, its record says it all the same. A place among those at once is
 * no amount that is used.
 */
export class MeasuredCosts {
  #costs: Costs
  #demanded: Costs

  /** @param costs what the first guard's demand says that a request costs: itself by default */
  constructor(costs?: Costs) {
    this.#demanded = costs === undefined ? oneRequest : { ...oneRequest, ...amountsOf(costs) }
    this.#costs = this.#demanded
  }

  get costs(): Costs {
    return this.#costs
  }

  /** What a later guard's demand costs: of that, what is beyond the demands before is added. */
  demand(costs: Costs): void {
    const beyond = Object.entries(costs).map(([measure, cost]): [string, number] => [
      measure,
      Math.max(0, cost - costOf(measure, this.#demanded)),
    ])
    const more = Object.fromEntries(beyond)
    this.#demanded = sumOf(this.#demanded, more)
    this.take(more)
  }

  take(costs: Costs): void {
    this.#costs = sumOf(this.#costs, costs)
  }

  settle(costs: Costs): void {
    this.#costs = { ...this.#costs, ...amountsOf(costs) }
  }

  /** Forgets these measures, which a reservation has from now on; what they came to. */
  release(measures: readonly string[]): Costs {
    const isReleased = ([name]: readonly [string, number]): boolean => measures.includes(name)
    const costs = Object.entries(this.#costs)
    this.#costs = Object.fromEntries(costs.filter((cost) => !isReleased(cost)))
    return Object.fromEntries(costs.filter(isReleased))
  }

  /** Forgets all measures but these, and that it is a request. */
  keep(measures: readonly string[]): void {
    const isKept = (name: string): boolean => name === 'requests' || measures.includes(name)
    this.#costs = Object.fromEntries(Object.entries(this.#costs).filter(([name]) => isKept(name)))
  }
}

function amountsOf({ concurrent: _, ...amounts }: Costs): Costs {
  return amounts
}

/** No sum passes what is counted exactly. */
function sumOf(costs: Costs, more: Costs): Costs {
  const sums = new Map(Object.entries(costs))
  for (const [measure, cost] of Object.entries(amountsOf(more)))
    sums.set(measure, Math.min((sums.get(measure) ?? 0) + cost, Number.MAX_SAFE_INTEGER))
  return Object.fromEntries(sums)
}
