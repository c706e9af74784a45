import type { Limiter } from '../limiter.ts'
import { type Costs, costOf } from './costs.ts'
import { putCosts, settledCosts, type TakenPart } from './taken-part.ts'

export interface ReservationOptions {
  /** The most that may be used of each measure. */
  readonly costs: Costs
  /** What limits have counted of it. @default no limit counts it */
  readonly parts?: readonly TakenPart[]
  readonly limiter?: Pick<Limiter, 'settle'>
  /** Called when what limits count has changed. */
  readonly onChange?: () => Promise<void>
}

/**
 * The most that work on a request may use, taken from its limits before it and settled after it.
 * Nothing but `settle` and `giveBack` takes it back.
 */
export class TakenReservation {
  readonly #options: ReservationOptions
  #parts: readonly TakenPart[]
  #used: Costs
  #isGivenBack = false

  constructor(options: ReservationOptions) {
    this.#options = options
    this.#parts = options.parts ?? []
    this.#used = options.costs
  }

  /** What the request's record says of it: what was reserved, until that is settled. */
  get used(): Costs {
    return this.#used
  }

  /** What limits have counted of it, as JSON can write it. */
  get parts(): readonly TakenPart[] {
    return this.#parts
  }

  /**
   * Puts what was really used in the place of what was reserved, for the measures that are named,
   * even beyond it. Where the limiter fails, all is as it was, and it can be asked again. Of what
   * was given back nothing was used.
   */
  async settle(costs: Costs): Promise<void> {
    if (this.#isGivenBack) return
    await this.#put(costs)
    this.#used = { ...this.#used, ...costs }
    await this.#options.onChange?.()
  }

  get isGivenBack(): boolean {
    return this.#isGivenBack
  }

  async giveBack(): Promise<void> {
    this.#isGivenBack = true
    const nothing = Object.fromEntries(Object.keys(this.#used).map((measure) => [measure, 0]))
    this.#used = nothing
    await this.#put(nothing)
  }

  async #put(costs: Costs): Promise<void> {
    const { limiter } = this.#options
    if (limiter === undefined) return
    const real = settledCosts(this.#parts, costs)
    await putCosts(
      limiter,
      this.#parts,
      (part) => real.get(part) ?? part.use.cost,
      (become) => {
        this.#parts = this.#parts.map(become)
      },
    )
  }
}

/** What was used, with what reservations say beside it. */
export function withReserved(used: Costs, reservations: readonly TakenReservation[]): Costs {
  if (reservations.length === 0) return used
  const all: Record<string, number> = { ...used }
  for (const reservation of reservations)
    for (const [measure, cost] of Object.entries(reservation.used)) all[measure] = costOf(measure, all) + cost
  return all
}
