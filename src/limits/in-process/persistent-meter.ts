import { spareMaxOf } from '../stored-usage.ts'
import type { KeptUse, Moment } from '../usage-store.ts'
import type { CountMeter, Meter } from './meter.ts'

/**
 * A meter whose count is kept. What is kept says at every moment at least as much as was used: the count at some moment, and how
 * much more may be used before it is written again.
 */
export class KeptMeter implements Meter {
  readonly name: string
  readonly counted: CountMeter
  /** Whether the keeper has it on its list of what changed lately. */
  isListed = false
  /** How much may still be used without being written. Below 0: something was used that could not be written. */
  #spare = 0
  /** What was used since the keeper last came by. */
  #lately = 0
  /** How much was given back since it was written. */
  #given = 0
  /** Whether what is kept differs from the count by more than its spare. */
  #isStale = false
  /** Of which span the kept count is: its spare is no room in a later one. */
  #writtenSpan = Number.NaN

  constructor(name: string, counted: CountMeter) {
    this.name = name
    this.counted = counted
  }

  used(now: Moment): number {
    return this.counted.used(now)
  }

  add(now: Moment, cost: number): void {
    this.counted.add(now, cost)
    this.#use(cost)
  }

  settle(now: Moment, at: number, taken: number, cost: number): void {
    if (taken === cost) return
    this.counted.settle(now, at, taken, cost)
    this.#use(Math.max(0, cost - taken))
    this.#given += Math.max(0, taken - cost)
  }

  freeInMs(now: Moment, cost: number): number | undefined {
    return this.counted.freeInMs(now, cost)
  }

  /** Whether something has to be written before `cost` more may be used. */
  lacks(now: Moment, cost: number): boolean {
    return cost > (this.#isOfThisSpan(now) ? this.#spare : Math.min(0, this.#spare))
  }

  /** Whether what is kept says too little, or says more than was used by more than a crash may cost. */
  isOff(now: Moment): boolean {
    if (this.#isStale && !this.#isOfThisSpan(now)) return true
    return this.#spare < 0 || this.#spare + this.#given > spareMaxOf(this.counted.limit.amount)
  }

  /** What is to be kept for `cost` more. As much is spare as was used in the last second, so that whoever is slow is kept exactly. */
  keptWith(now: Moment, cost: number): KeptUse {
    return this.#kept(now, cost, Math.min(spareMaxOf(this.counted.limit.amount), this.#lately))
  }

  /** What is to be kept now that the keeper comes by; undefined where nothing need be written. */
  keptLater(now: Moment): KeptUse | undefined {
    if (this.#isStale) return this.keptWith(now, 0)
    return this.#spare > 0 && this.#lately === 0 ? this.#kept(now, 0, 0) : undefined
  }

  /** What is to be kept when the process ends; undefined where that is kept already. */
  keptLast(now: Moment): KeptUse | undefined {
    return this.#isStale || this.#spare > 0 ? this.#kept(now, 0, 0) : undefined
  }

  /** Told that what was to be kept has been written, and counted. */
  written(now: Moment, { spare }: KeptUse): void {
    this.#spare = spare
    this.#given = 0
    this.#isStale = false
    this.#writtenSpan = this.counted.spanOf(now)
  }

  /** A second is over. Returns whether the keeper need come by again. */
  passSecond(): boolean {
    const needs = this.#lately > 0 || this.#isStale || this.#spare > 0
    this.#lately = 0
    return needs
  }

  #isOfThisSpan(now: Moment): boolean {
    return this.#writtenSpan === this.counted.spanOf(now)
  }

  #use(cost: number): void {
    this.#spare -= cost
    this.#lately += cost
    this.#isStale = true
  }

  #kept(now: Moment, cost: number, spare: number): KeptUse {
    const { limit } = this.counted
    return {
      name: this.name,
      limit: limit.text,
      at: now.steady,
      count: this.counted.countWith(now, cost),
      spare,
    }
  }
}
