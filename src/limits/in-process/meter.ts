import { type CalendarSpan, calendarSpanOf, spanLeftMs } from '../calendar.ts'
import type { CalendarLimit, ConcurrencyLimit, WindowLimit } from '../limit.ts'
import { addUse, cellsOf, freeAt, giveBackUse, usedIn } from '../sliding-window.ts'
import type { KeptCount, Moment } from '../usage-store.ts'
import type { Cells } from './cell-pool.ts'

/** What one limit counts. Objects of classes: a million of them hold no functions of their own. */
export interface Meter {
  readonly used: (now: Moment) => number
  readonly add: (now: Moment, cost: number) => void
  /** Puts `cost` in the place of what was taken at a moment. */
  readonly settle: (now: Moment, at: number, taken: number, cost: number) => void
  /** How long until `cost` more fits; undefined where only somebody's end can tell. */
  readonly freeInMs: (now: Moment, cost: number) => number | undefined
}

/** One whose count may outlive the process. */
export interface CountMeter extends Meter {
  readonly limit: WindowLimit | CalendarLimit
  /** What it would count with `cost` more. */
  readonly countWith: (now: Moment, cost: number) => KeptCount
  readonly restore: (count: KeptCount) => void
  /** Which count it is, where counting begins anew from time to time: another number than that of the one before. */
  readonly spanOf: (now: Moment) => number
}

export class WindowMeter implements CountMeter, Cells {
  readonly cells: Uint32Array
  readonly offset: number
  readonly limit: WindowLimit

  constructor(limit: WindowLimit, { cells, offset }: Cells) {
    this.limit = limit
    this.cells = cells
    this.offset = offset
  }

  used({ steady }: Moment): number {
    return usedIn(this.limit, this, steady)
  }

  add({ steady }: Moment, cost: number): void {
    addUse(this.limit, this, steady, cost)
  }

  settle({ steady }: Moment, at: number, taken: number, cost: number): void {
    if (cost < taken) giveBackUse(this.limit, this, at, taken - cost)
    else if (cost > taken) addUse(this.limit, this, steady, cost - taken)
  }

  freeInMs({ steady }: Moment, cost: number): number {
    return freeAt(this.limit, this, steady, cost) - steady
  }

  countWith({ steady }: Moment, cost: number): KeptCount {
    const cells = this.cells.slice(this.offset, this.offset + cellsOf(this.limit))
    if (cost > 0) addUse(this.limit, { cells, offset: 0 }, steady, cost)
    return { kind: 'window', cells }
  }

  restore(count: KeptCount): void {
    if (count.kind !== 'window') throw new TypeError(`expected a window, got a ${count.kind}`)
    if (count.cells.length !== cellsOf(this.limit))
      throw new RangeError(`expected ${cellsOf(this.limit)} cells, got ${count.cells.length}`)
    this.cells.set(count.cells, this.offset)
  }

  spanOf(): number {
    return 0
  }
}

export class CalendarMeter implements CountMeter {
  readonly limit: CalendarLimit
  #span: CalendarSpan
  #since = 0
  #used = 0

  constructor(limit: CalendarLimit) {
    this.limit = limit
    this.#span = calendarSpanOf(limit.period, 0)
  }

  used(now: Moment): number {
    if (spanLeftMs(this.#span, this.#since, now) <= 0) {
      this.#span = calendarSpanOf(this.limit.period, now.wall)
      this.#since = now.steady
      this.#used = 0
    }
    return this.#used
  }

  add(now: Moment, cost: number): void {
    this.#used = this.used(now) + cost
  }

  /** What was taken in a span that is over is not given back to this one. */
  settle(now: Moment, at: number, taken: number, cost: number): void {
    const used = this.used(now)
    const isOfThisSpan = at >= this.#since
    this.#used = Math.max(0, isOfThisSpan ? used - taken + cost : used + Math.max(0, cost - taken))
  }

  freeInMs(now: Moment, cost: number): number {
    return this.used(now) + cost <= this.limit.amount ? 0 : spanLeftMs(this.#span, this.#since, now)
  }

  countWith(now: Moment, cost: number): KeptCount {
    const used = this.used(now) + cost
    return { kind: 'calendar', beginsAt: this.#span.beginsAt, since: this.#since, used }
  }

  restore(count: KeptCount): void {
    if (count.kind !== 'calendar') throw new TypeError(`expected a calendar's span, got a ${count.kind}`)
    this.#span = calendarSpanOf(this.limit.period, count.beginsAt)
    this.#since = count.since
    this.#used = count.used
  }

  spanOf(now: Moment): number {
    this.used(now)
    return this.#span.beginsAt
  }
}

export class ConcurrencyMeter implements Meter {
  readonly #limit: ConcurrencyLimit
  #used = 0

  constructor(limit: ConcurrencyLimit) {
    this.#limit = limit
  }

  used(): number {
    return this.#used
  }

  add(_now: Moment, cost: number): void {
    this.#used += cost
  }

  settle(_now: Moment, _at: number, taken: number, cost: number): void {
    this.#used = Math.max(0, this.#used - taken + cost)
  }

  freeInMs(_now: Moment, cost: number): number | undefined {
    return this.#used + cost <= this.#limit.amount ? 0 : undefined
  }
}
