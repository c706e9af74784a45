import { type Costs, checkCosts, costOf } from './costs.ts'
import type { Usage } from './usage.ts'

/**
 * The usage of a request that no limit applies to, from when a handler measures it: nothing is
 * counted, and its record says what was measured.
 */
export class UncountedUsage implements Usage {
  readonly states: Usage['states'] = []
  readonly headers: Usage['headers'] = {}
  readonly isOpen = false
  readonly isDetached = false
  #used: Costs = {}

  get used(): Costs {
    return this.#used
  }

  counts(): boolean {
    return false
  }

  take(costs: Costs): undefined {
    checkCosts('take', costs)
    const used: Record<string, number> = { ...this.#used }
    for (const [measure, cost] of Object.entries(costs)) used[measure] = costOf(measure, used) + cost
    this.#used = used
  }

  settle(costs: Costs): void {
    checkCosts('settle', costs)
    this.#used = { ...this.#used, ...costs }
  }

  giveBack(): void {
    this.#used = { requests: 0 }
  }

  onStates(): void {}
  end(): void {}
  endRequest(): void {}
  hold(): void {}
  release(): void {}
  attach(): void {}

  detach(): boolean {
    return false
  }
}
