import type { Limit } from '../limit.ts'
import type { Room } from '../sliding-window.ts'
import { reserveMaxOf } from '../stored-usage.ts'
import type { Moment, StoredUsage } from '../usage-store.ts'
import type { CountMeter, Meter } from './meter.ts'

/**
 * A meter whose count is stored. The stored usage never understates what was used: it is the count
 * at some moment, and a reserve, how much more may be used before it is written again.
 */
export class PersistentMeter implements Meter {
  readonly name: string
  readonly counted: CountMeter
  /** Whether it is on the list of meters that changed lately. */
  isDirty = false
  /** How much may be used without being written. Below 0: something was used and not written. */
  #reserve = 0
  /** What was used since the last maintenance. */
  #lately = 0
  /** How much was given back since it was written. */
  #givenBack = 0
  /** Whether the stored usage differs from the count by more than its reserve. */
  #isStale = false
  /** Of which span the stored count is: its reserve is no room in a later one. */
  #writtenSpan = Number.NaN

  constructor(name: string, counted: CountMeter) {
    this.name = name
    this.counted = counted
  }

  get limit(): CountMeter['limit'] {
    return this.counted.limit
  }

  adopt(limit: Limit, now: Moment): void {
    this.counted.adopt(limit, now)
  }

  used(now: Moment): number {
    return this.counted.used(now)
  }

  take(now: Moment, cost: number): Room {
    const room = this.counted.take(now, cost)
    if (room.fits && cost > 0) this.#use(cost)
    return room
  }

  peek(now: Moment, cost: number): Room {
    return this.counted.peek(now, cost)
  }

  add(now: Moment, cost: number): void {
    this.counted.add(now, cost)
    this.#use(cost)
  }

  settle(now: Moment, at: number, taken: number, cost: number): void {
    if (taken === cost) return
    this.counted.settle(now, at, taken, cost)
    this.#use(Math.max(0, cost - taken))
    this.#givenBack += Math.max(0, taken - cost)
  }

  /** What to store for a reset. */
  storedReset(now: Moment): StoredUsage {
    return { ...this.#stored(now, 0, 0), count: this.counted.countOfNone(now) }
  }

  /** To be called once that is stored. */
  reset(now: Moment, stored: StoredUsage): void {
    this.counted.reset(now)
    this.written(now, stored)
  }

  /** Whether something has to be written before `cost` more may be used. */
  lacks(now: Moment, cost: number): boolean {
    return cost > (this.#isOfThisSpan(now) ? this.#reserve : Math.min(0, this.#reserve))
  }

  /** Whether the stored value under-counts, or over-counts by more than a crash may cost. */
  isOff(now: Moment): boolean {
    if (this.#isStale && !this.#isOfThisSpan(now)) return true
    return this.#reserve < 0 || this.#reserve + this.#givenBack > reserveMaxOf(this.counted.limit.amount)
  }

  /**
   * What to store for `cost` more. The reserve is what was used in the last second: slow callers
   * are stored exactly.
   */
  storedWith(now: Moment, cost: number): StoredUsage {
    return this.#stored(now, cost, Math.min(reserveMaxOf(this.counted.limit.amount), this.#lately))
  }

  /** What to store at maintenance; undefined where nothing need be written. */
  storedLater(now: Moment): StoredUsage | undefined {
    if (this.#isStale) return this.storedWith(now, 0)
    return this.#reserve > 0 && this.#lately === 0 ? this.#stored(now, 0, 0) : undefined
  }

  /** What to store when the process ends; undefined where that is stored already. */
  storedLast(now: Moment): StoredUsage | undefined {
    return this.#isStale || this.#reserve > 0 ? this.#stored(now, 0, 0) : undefined
  }

  /** To be called once what it gave to store has been written, and counted. */
  written(now: Moment, { reserve }: StoredUsage): void {
    this.#reserve = reserve
    this.#givenBack = 0
    this.#isStale = false
    this.#writtenSpan = this.counted.spanOf(now)
  }

  /** Begins another second. Returns whether the meter needs maintenance again. */
  passSecond(): boolean {
    const needs = this.#lately > 0 || this.#isStale || this.#reserve > 0
    this.#lately = 0
    return needs
  }

  #isOfThisSpan(now: Moment): boolean {
    return this.#writtenSpan === this.counted.spanOf(now)
  }

  #use(cost: number): void {
    this.#reserve -= cost
    this.#lately += cost
    this.#isStale = true
  }

  #stored(now: Moment, cost: number, reserve: number): StoredUsage {
    const { limit } = this.counted
    return {
      name: this.name,
      limit: limit.text,
      at: now.steady,
      count: this.counted.countWith(now, cost),
      reserve,
    }
  }
}
