import { after, type Maybe } from '../core/after.ts'
import { Refusal } from '../core/refusal.ts'
import { type Costs, checkCosts, costOf, MeasuredCosts } from './costs.ts'
import { limitHeaders } from './limit-headers.ts'
import { refuse, refuseForGood } from './limit-refusals.ts'
import type { Limiter, LimitRefusal, LimitState, LimitUse, Taking } from './limiter.ts'
import { settledCosts, type TakenPart } from './taken-part.ts'
import { UncountedUsage } from './uncounted-usage.ts'
import type { Usage, UsageOutcome } from './usage.ts'

/** Called for each limit in shadow that would have refused. */
export type ShadowListener = (refusal: LimitRefusal) => void

/** What came of asking for a request's limits. */
export type LimitsTaken = Usage | Refusal

/**
 * Takes a request's limits. Several guards may see one request, one of the app and one of a route:
 * what is in `before` is not taken again, only what the second demand costs beyond it. Where the
 * second is refused, all is given back.
 *
 * @param costs what the demand says that it costs, which `uses` have where a limit counts it
 */
export type TakeLimits = (uses: readonly LimitUse[], before: Usage, costs?: Costs) => Maybe<LimitsTaken>

/** Takes limits over a limiter. */
export function createTakeLimits(limiter: Limiter, onShadow: ShadowListener): TakeLimits {
  return function takeLimits(uses, before, costs) {
    if (before instanceof TakenUsage) {
      const left = before.notTaken(uses)
      const taking = left.length === 0 ? undefined : takeAll(limiter, left, onShadow, before)
      return after(taking, (taken) => (taken instanceof Refusal ? taken : before.absorb(taken, costs)))
    }
    const measured = measuredBy(before, costs)
    if (uses.length === 0) return new UncountedUsage(measured)
    const taking = takeAll(limiter, uses, onShadow)
    return measured === undefined ? taking : after(taking, (taken) => withMeasured(taken, measured))
  }
}

/** What was measured before a limit applied stays. */
function measuredBy(before: Usage, costs: Costs | undefined): MeasuredCosts | undefined {
  if (!(before instanceof UncountedUsage)) return costs && new MeasuredCosts(costs)
  if (costs !== undefined) before.measured.demand(costs)
  return before.measured
}

function withMeasured(taken: Taken, measured: MeasuredCosts): LimitsTaken {
  if (taken instanceof TakenUsage) taken.measured = measured
  return taken
}

type Taken = TakenUsage | Refusal

/**
 * Takes all in one step: what was taken, or the refusal of the limit that passes last. What the
 * request took `before` is then given back.
 */
function takeAll(
  limiter: Limiter,
  uses: readonly LimitUse[],
  onShadow: ShadowListener,
  before?: TakenUsage,
): Maybe<Taken> {
  for (const use of uses)
    if (use.cost > use.limit.amount && !use.isShadow)
      return before === undefined ? refuseForGood(use) : before.giveBack().then(() => refuseForGood(use))
  const taking = limiter.take(uses)
  return taking instanceof Promise
    ? taking.then((later) => conclude(limiter, uses, later, onShadow, before))
    : conclude(limiter, uses, taking, onShadow, before)
}

function conclude(
  limiter: Limiter,
  uses: readonly LimitUse[],
  taking: Taking,
  onShadow: ShadowListener,
  before: TakenUsage | undefined,
): Maybe<Taken> {
  for (const shadow of taking.shadows) onShadow(shadow)
  const { refusal } = taking
  if (refusal === undefined) return new TakenUsage(limiter, uses, taking, onShadow)
  if (before === undefined) return refuse(refusal, taking)
  // The answer tells of all limits of the request, as it does where one guard takes them.
  return before
    .giveBack()
    .then(() => refuse(refusal, { ...taking, states: laterStates(before.states, taking.states) }))
}

/** What a request took, at its beginning and later. */
class TakenUsage implements Usage {
  isOpen = false
  measured: MeasuredCosts = new MeasuredCosts()
  readonly #limiter: Limiter
  readonly #onShadow: ShadowListener
  #uses: readonly LimitUse[]
  /** When the latest status was. */
  #at: number
  #parts: readonly TakenPart[]
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

  constructor(limiter: Limiter, uses: readonly LimitUse[], taking: Taking, onShadow: ShadowListener) {
    this.#limiter = limiter
    this.#onShadow = onShadow
    this.#uses = uses
    this.#at = taking.at
    this.#states = taking.states
    const { shadows, at } = taking
    const parts: TakenPart[] = []
    for (const use of uses) {
      if (shadows.length === 0 || !isAmong(shadows, use)) parts.push({ use, at })
      if (use.limit.measure !== 'requests' && use.cost > 0) this.isOpen = true
    }
    this.#parts = parts
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
    return used
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
      this.#setStates(taken.states, taken.#at)
      this.#parts = [...this.#parts, ...taken.#parts]
    }
    this.measured.take(costs)
    for (const measure of Object.keys(costs)) this.#settled.push(measure)
    return undefined
  }

  async settle(costs: Costs): Promise<void> {
    checkCosts('settle', costs)
    this.measured.settle(costs)
    const real = settledCosts(this.#parts, costs)
    await this.#put((part) => real.get(part) ?? part.use.cost)
    for (const measure of Object.keys(costs)) this.#settled.push(measure)
    await this.#renew()
  }

  async giveBack(): Promise<void> {
    this.isOpen = false
    this.#isGivenBack = true
    await this.#giveBack(() => true)
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
    this.#onStates = undefined
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

  /** Reads how the limits stand, after what was taken has changed. */
  async #renew(): Promise<void> {
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

  /**
   * Puts another cost in the place of each part's own, where it is another. Where the limiter
   * fails, the parts that it has not changed are as they were, and it can be asked again.
   */
  async #put(costOf: (part: TakenPart) => number): Promise<void> {
    const changed = this.#parts.map((part) => ({ part, cost: costOf(part) }))
    const different = changed.filter(({ part, cost }) => part.use.cost !== cost)
    for (const at of new Set(different.map(({ part }) => part.at))) {
      const together = different.filter(({ part }) => part.at === at)
      await this.#limiter.settle(
        together.map(({ part }) => part.use),
        at,
        together.map(({ cost }) => cost),
      )
      const costs = new Map(together.map(({ part, cost }) => [part, cost]))
      this.#parts = this.#parts.map((part) => {
        const cost = costs.get(part)
        return cost === undefined ? part : { ...part, use: { ...part.use, cost } }
      })
    }
  }
}

/** The later status of each limit, in the order in which limits were first met. */
function laterStates(earlier: readonly LimitState[], later: readonly LimitState[]): readonly LimitState[] {
  return [...new Map([...earlier, ...later].map((state) => [state.use.counter, state])).values()]
}

function costUnder(counter: string, uses: readonly LimitUse[]): number {
  return uses.find((use) => use.counter === counter)?.cost ?? 0
}

function isAmong(refusals: readonly LimitRefusal[], use: LimitUse): boolean {
  return refusals.some((refusal) => refusal.use === use)
}
