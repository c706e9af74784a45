import { Refusal } from '../../core/refusal.ts'
import { limitHeaders } from '../limit-headers.ts'
import type { Limiter, LimitState, LimitUse, Taking } from '../limiter.ts'
import type { OnShadow } from '../shadow-listener.ts'
import { type Costs, checkCosts, costOf, largerCosts, MeasuredCosts } from './costs.ts'
import { laterStates, type TakenBefore, takeAll } from './take-all.ts'
import { partsOf, putCosts, settledCosts, type TakenPart } from './taken-part.ts'
import { TakenReservation, withReserved } from './taken-reservation.ts'
import type { Usage, UsageOutcome } from './usage.ts'

/** What a request took, at its beginning and later. */
export class TakenUsage implements Usage {
  isOpen = false
  measured: MeasuredCosts = new MeasuredCosts()
  readonly #limiter: Limiter
  readonly #onShadow: OnShadow
  #uses: readonly LimitUse[]
  /** When the latest status was. */
  #at: number
  #parts: readonly TakenPart[] = []
  /** What was reserved, each settled by itself. */
  reservations: readonly TakenReservation[] = []
  #reserving: Promise<void> = Promise.resolve()
  /** Measures whose real figure is known. */
  readonly #settled: string[] = []
  #isGivenBack = false
  #isDetached = false
  /** Pieces of work that go on, whether or not the answer is gone. */
  #holds = 0
  /** How the request ended while the usage was held or detached. */
  #requestEnded: UsageOutcome | undefined
  /** The latest status of each limit, in the order in which they were first met. */
  #states: readonly LimitState[]
  #headers: Readonly<Record<string, string>> | undefined
  #onStates: (() => void) | undefined
  #hasStates = true

  constructor(limiter: Limiter, uses: readonly LimitUse[], taking: Taking, onShadow: OnShadow) {
    this.#limiter = limiter
    this.#onShadow = onShadow
    this.#uses = uses
    this.#at = taking.at
    this.#states = taking.states
    this.#add(partsOf(uses, taking), uses)
  }

  #add(parts: readonly TakenPart[], uses: readonly LimitUse[]): void {
    this.#parts = [...this.#parts, ...parts]
    for (const use of uses) if (use.limit.measure !== 'requests' && use.cost > 0) this.isOpen = true
  }

  /**
   * The uses that this request has not taken yet; of the others, what they cost beyond what it
   * took.
   */
  notTaken(uses: readonly LimitUse[]): readonly LimitUse[] {
    return uses.flatMap((use) => {
      const taken = this.#uses.find(({ counter }) => counter === use.counter)
      if (taken === undefined) return use
      return use.cost > taken.cost ? { ...use, cost: use.cost - taken.cost } : []
    })
  }

  /** Adds what another guard of the same request demands, and what it has taken. */
  absorb(other: TakenUsage | undefined, costs: Costs | undefined): this {
    if (costs !== undefined) this.measured.demand(costs)
    if (other === undefined) return this
    const isKnown = ({ counter }: LimitUse): boolean => this.#uses.some((use) => use.counter === counter)
    const added = other.#uses.filter((use) => !isKnown(use))
    this.#setStates(other.states, other.#at)
    this.#uses = [
      ...this.#uses.map((use) => ({ ...use, cost: use.cost + costUnder(use.counter, other.#uses) })),
      ...added,
    ]
    this.#parts = [...this.#parts, ...other.#parts]
    this.isOpen ||= other.isOpen
    return this
  }

  get states(): readonly LimitState[] {
    return this.#states
  }

  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= limitHeaders(this.#states, this.#at)
    return this.#headers
  }

  /** Per measure, what was measured or the largest count among its limits: those first. */
  get used(): Costs {
    if (this.#isGivenBack) return { requests: 0 }
    const used: Record<string, number> = {}
    // Linear: a streamed answer may have taken once for each of its pieces.
    const byLimit = new Map<string, number>()
    for (const { use } of this.#parts) {
      const { measure } = use.limit
      if (measure === 'concurrent') continue
      const sum = (byLimit.get(use.counter) ?? 0) + use.cost
      byLimit.set(use.counter, sum)
      used[measure] = Math.max(costOf(measure, used), sum)
    }
    for (const [measure, cost] of Object.entries(this.measured.costs))
      used[measure] = Math.max(costOf(measure, used), cost)
    return withReserved(used, this.reservations)
  }

  counts(measure: string): boolean {
    for (const { limit } of this.#uses) if (limit.measure === measure) return true
    return false
  }

  async take(costs: Costs): Promise<Refusal | undefined> {
    checkCosts('take', costs)
    const more = this.#uses.flatMap((use) => {
      const cost = costOf(use.limit.measure, costs)
      return cost === 0 ? [] : [{ ...use, cost }]
    })
    const taken = more.length === 0 ? undefined : await takeAll(this.#limiter, more, this.#onShadow, this)
    if (taken instanceof Refusal) return taken
    if (taken !== undefined) {
      this.#setStates(taken.states, taken.at)
      this.#add(partsOf(more, taken), [])
    }
    this.measured.take(costs)
    for (const measure of Object.keys(costs)) this.#settled.push(measure)
    return undefined
  }

  reserve(costs: Costs, isWanted: () => boolean): Promise<TakenReservation | Refusal | undefined> {
    // One after the other: what is refused may give back what the next would build on.
    const reserving = this.#reserving.then(() => this.#reserve(costs, isWanted))
    this.#reserving = reserving.then(nothing, nothing)
    return reserving
  }

  async #reserve(costs: Costs, isWanted: () => boolean): Promise<TakenReservation | Refusal | undefined> {
    checkCosts('reserve', costs)
    const isNamed = ({ limit }: LimitUse): boolean => Object.hasOwn(costs, limit.measure)
    // Work has begun on what was reserved before, and was used.
    const before: TakenBefore = this.reservations.length === 0 ? this : { states: this.#states }
    const isAgain = this.#isGivenBack
    const more = this.#uses.flatMap((use) => {
      const cost = this.#costToReserve(use, costs)
      return cost > 0 || (isAgain && !isNamed(use)) ? { ...use, cost } : []
    })
    const taken =
      more.length === 0
        ? { shadows: [], states: [], at: this.#at }
        : await takeAll(this.#limiter, more, this.#onShadow, before)
    if (taken instanceof Refusal) return taken
    const parts = partsOf(more, taken)
    if (!isWanted()) {
      await putCosts(this.#limiter, parts, () => 0, nothing)
      return undefined
    }
    this.#setStates(taken.states, taken.at)
    if (isAgain) this.#add([], more)
    this.#isGivenBack = false
    const all = [...this.#parts, ...parts]
    this.#parts = all.filter(({ use }) => !isNamed(use))
    const reservation = new TakenReservation({
      costs: largerCosts(costs, this.measured.release(Object.keys(costs))),
      parts: all.filter(({ use }) => isNamed(use)),
      limiter: this.#limiter,
      onChange: () => this.#renew(),
    })
    this.reservations = [...this.reservations, reservation]
    return reservation
  }

  /**
   * What a reservation takes beyond what the request took of it; after a refusal, which gave all
   * back, the whole, and with it what every request takes.
   */
  #costToReserve({ counter, limit, cost, isShadow }: LimitUse, costs: Costs): number {
    const asked = costOf(limit.measure, costs)
    if (this.#isGivenBack) return Math.max(cost, asked)
    // What is more than the limit allows at all is so whatever was taken before.
    if (asked > limit.amount && !isShadow) return asked
    const taken = this.#parts.reduce((sum, { use }) => sum + (use.counter === counter ? use.cost : 0), 0)
    return Math.max(0, asked - taken)
  }

  async settle(costs: Costs): Promise<void> {
    checkCosts('settle', costs)
    this.measured.settle(costs)
    const real = settledCosts(this.#parts, costs)
    await this.#put((part) => real.get(part) ?? part.use.cost)
    for (const measure of Object.keys(costs)) this.#settled.push(measure)
    await this.#renew()
  }

  handOver(measures: readonly string[]): TakenReservation {
    const isHanded = ({ use }: TakenPart): boolean => measures.includes(use.limit.measure)
    const parts = this.#parts.filter((part) => isHanded(part) && part.use.cost > 0)
    this.#parts = this.#parts.filter((part) => !isHanded(part))
    return new TakenReservation({
      costs: this.measured.release(measures),
      parts,
      limiter: this.#limiter,
      onChange: () => this.#renew(),
    })
  }

  async giveBack(): Promise<void> {
    this.isOpen = false
    this.#isGivenBack = true
    const { reservations } = this
    this.reservations = []
    await Promise.all([this.#giveBack(() => true), ...reservations.map((one) => one.giveBack())])
    await this.#renew()
  }

  async end(outcome: UsageOutcome): Promise<void> {
    if (!this.isOpen) return
    this.isOpen = false
    if (outcome === 'aborted') this.measured.keep(this.#settled)
    await this.#giveBack(
      ({ limit }) =>
        limit.kind === 'concurrent' ||
        (outcome === 'aborted' && limit.measure !== 'requests' && !this.#settled.includes(limit.measure)),
    )
  }

  get isDetached(): boolean {
    return this.#isDetached
  }

  detach(): boolean {
    if (this.#isDetached) return false
    this.#isDetached = true
    return true
  }

  async attach(): Promise<void> {
    this.#isDetached = false
    await this.#endIfOver()
  }

  hold(): void {
    this.#holds += 1
  }

  async release(): Promise<void> {
    this.#holds -= 1
    await this.#endIfOver()
  }

  async endRequest(outcome: UsageOutcome): Promise<void> {
    this.endStates()
    this.#requestEnded = outcome
    await this.#endIfOver()
  }

  /** A request is over when its answer is gone and no work on it goes on. */
  async #endIfOver(): Promise<void> {
    if (this.#isDetached || this.#holds > 0 || this.#requestEnded === undefined) return
    await this.end(this.#requestEnded)
  }

  onStates(listener: () => void): void {
    this.#onStates = listener
  }

  endStates(): void {
    this.#onStates = undefined
    this.#hasStates = false
  }

  /** Reads how the limits stand, after what was taken has changed. */
  async #renew(): Promise<void> {
    if (!this.#hasStates) return
    try {
      const { states, at } = await this.#limiter.peek(this.#uses)
      this.#setStates(states, at)
    } catch {
      // The change is done. Of the old status and a failed request, the old status harms less.
    }
  }

  #setStates(states: readonly LimitState[], at: number): void {
    this.#states = laterStates(this.#states, states)
    this.#at = at
    this.#headers = undefined
    this.#onStates?.()
  }

  async #giveBack(which: (use: LimitUse) => boolean): Promise<void> {
    await this.#put(({ use }) => (which(use) ? 0 : use.cost))
    this.#parts = this.#parts.filter(({ use }) => !which(use))
  }

  #put(costOf: (part: TakenPart) => number): Promise<void> {
    return putCosts(this.#limiter, this.#parts, costOf, (become) => {
      this.#parts = this.#parts.map(become)
    })
  }
}

function nothing(): void {}

function costUnder(counter: string, uses: readonly LimitUse[]): number {
  return uses.find((use) => use.counter === counter)?.cost ?? 0
}
