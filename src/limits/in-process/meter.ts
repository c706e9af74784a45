import { type CalendarSpan, calendarSpanOf, spanLeftMs } from '../calendar.ts'
import type { CalendarLimit, ConcurrencyLimit, WindowLimit } from '../limit.ts'
import { addUse, cellsOf, giveBackUse, peekUse, type Room, takeUse, usedIn } from '../sliding-window.ts'
import type { Moment, StoredCount } from '../usage-store.ts'
import type { Cells } from './cell-pool.ts'

/** Counts one limit. Objects of classes: a million of them hold no functions of their own. */
export interface Meter {
  readonly used: (now: Moment) => number
  /** Takes the cost where it fits. */
  readonly take: (now: Moment, cost: number) => Room
  /** The same, taking nothing. */
  readonly peek: (now: Moment, cost: number) => Room
  /** Replaces what was taken at a moment by `cost`. */
  readonly settle: (now: Moment, at: number, taken: number, cost: number) => void
}

/** A meter whose count may outlive the process. */
export interface CountMeter extends Meter {
  readonly limit: WindowLimit | CalendarLimit
  /** Counts `cost`, whether it fits or not. */
  readonly add: (now: Moment, cost: number) => void
  /** What it would count with `cost` more. */
  readonly countWith: (now: Moment, cost: number) => StoredCount
  readonly restore: (count: StoredCount) => void
  /** Identifies the span where counting restarts from time to time: no two spans share a number. */
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

  take({ steady }: Moment, cost: number): Room {
    return takeUse(this.limit, this, steady, cost)
  }

  peek({ steady }: Moment, cost: number): Room {
    return peekUse(this.limit, this, steady, cost)
  }

  add({ steady }: Moment, cost: number): void {
    addUse(this.limit, this, steady, cost)
  }

  settle({ steady }: Moment, at: number, taken: number, cost: number): void {
    if (cost < taken) giveBackUse(this.limit, this, at, taken - cost)
    else if (cost > taken) addUse(this.limit, this, steady, cost - taken)
  }

  countWith({ steady }: Moment, cost: number): StoredCount {
    const cells = this.cells.slice(this.offset, this.offset + cellsOf(this.limit))
    if (cost > 0) addUse(this.limit, { cells, offset: 0 }, steady, cost)
    return { kind: 'window', cells }
  }

  restore(count: StoredCount): void {
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

  take(now: Moment, cost: number): Room {
    const room = this.peek(now, cost)
    if (!room.fits || cost === 0) return room
    this.#used += cost
    return this.peek(now, 0)
  }

  peek(now: Moment, cost: number): Room {
    const used = this.used(now)
    const { amount } = this.limit
    const fits = cost === 0 || used + cost <= amount
    const freesInMs = fits && used === 0 ? 0 : spanLeftMs(this.#span, this.#since, now)
    return { fits, remaining: Math.max(0, amount - used), freesInMs }
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

  countWith(now: Moment, cost: number): StoredCount {
    const used = this.used(now) + cost
    return { kind: 'calendar', beginsAt: this.#span.beginsAt, since: this.#since, used }
  }

  restore(count: StoredCount): void {
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

  take(now: Moment, cost: number): Room {
    const room = this.peek(now, cost)
    if (!room.fits || cost === 0) return room
    this.#used += cost
    return this.peek(now, 0)
  }

  peek(_now: Moment, cost: number): Room {
    const { amount } = this.#limit
    const fits = cost === 0 || this.#used + cost <= amount
    return { fits, remaining: Math.max(0, amount - this.#used), freesInMs: undefined }
  }

  settle(_now: Moment, _at: number, taken: number, cost: number): void {
    this.#used = Math.max(0, this.#used - taken + cost)
  }
}
