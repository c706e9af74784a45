import { type Costs, checkCosts, largerCosts, MeasuredCosts } from './costs.ts'
import { TakenReservation, withReserved } from './taken-reservation.ts'
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
  /** What was reserved, each settled by itself. */
  reservations: readonly TakenReservation[] = []
  #isGivenBack = false

  constructor(measured: MeasuredCosts = new MeasuredCosts()) {
    this.measured = measured
  }

  get used(): Costs {
    return this.#isGivenBack ? { requests: 0 } : withReserved(this.measured.costs, this.reservations)
  }

  counts(): boolean {
    return false
  }

  take(costs: Costs): undefined {
    checkCosts('take', costs)
    this.measured.take(costs)
  }

  async reserve(costs: Costs): Promise<TakenReservation> {
    checkCosts('reserve', costs)
    const before = this.measured.release(Object.keys(costs))
    const reservation = new TakenReservation({ costs: largerCosts(costs, before) })
    this.reservations = [...this.reservations, reservation]
    return reservation
  }

  settle(costs: Costs): void {
    checkCosts('settle', costs)
    this.measured.settle(costs)
  }

  giveBack(): void {
    this.#isGivenBack = true
  }

  handOver(measures: readonly string[]): TakenReservation {
    return new TakenReservation({ costs: this.measured.release(measures) })
  }

  onStates(): void {}
  endStates(): void {}
  end(): void {}
  endRequest(): void {}
  hold(): void {}
  release(): void {}
  attach(): void {}

  detach(): boolean {
    return false
  }
}
