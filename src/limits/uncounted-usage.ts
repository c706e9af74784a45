import { type Costs, checkCosts, MeasuredCosts } from './costs.ts'
import type { Usage } from './usage.ts'

/**
 * The usage of a request that no limit applies to and that measures something: nothing is counted,
 * and its record says what was measured.
 */
export class UncountedUsage implements Usage {
  readonly states: Usage['states'] = []
  readonly headers: Usage['headers'] = {}
  readonly isOpen = false
  readonly isDetached = false
  readonly measured: MeasuredCosts
  #isGivenBack = false

  constructor(measured: MeasuredCosts = new MeasuredCosts()) {
    this.measured = measured
  }

  get used(): Costs {
    return this.#isGivenBack ? { requests: 0 } : this.measured.costs
  }

  counts(): boolean {
    return false
  }

  take(costs: Costs): undefined {
    checkCosts('take', costs)
    this.measured.take(costs)
  }

  settle(costs: Costs): void {
    checkCosts('settle', costs)
    this.measured.settle(costs)
  }

  giveBack(): void {
    this.#isGivenBack = true
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
