import { type CalendarSpan, calendarSpanOf, spanLeftMs } from '../calendar.ts'
import type { CalendarLimit, ConcurrencyLimit, Limit, WindowLimit } from '../limit.ts'
import {
  addUse,
  capacityFor,
  capacityOfSize,
  copyWindow,
  giveBackUse,
  hasCapacity,
  peekUse,
  type Room,
  sizeOf,
  takeUse,
  usedIn,
  type WindowState,
} from '../sliding-window.ts'
import type { Moment, StoredCount, StoredSpan, StoredWindow } from '../usage-store.ts'
import { type CellPools, ownCells } from './cell-pool.ts'

/** Counts one limit. Objects of classes: a million of them hold no functions of their own. */
export interface Meter {
  readonly limit: Limit
  /** Goes on counting under another amount of the same limit: what was used stays used. */
  readonly adopt: (limit: Limit, now: Moment) => void
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
  readonly restore: (count: StoredCount, now: Moment) => void
  /** What it would count after `reset`. */
  readonly countOfNone: (now: Moment) => StoredCount
  /** Counts from 0 on: what was taken before gives nothing back any more. */
  readonly reset: (now: Moment) => void
  /** Identifies the span where counting restarts from time to time: no two spans share a number. */
  readonly spanOf: (now: Moment) => number
}

export class WindowMeter implements CountMeter, WindowState {
  limit: WindowLimit
  cells: Uint32Array
  offset: number
  capacity: number
  readonly #pools: CellPools
  /** What was taken before is no longer counted. */
  #since: number

  /** @param since what was taken before is not counted here, such as by a process before */
  constructor(limit: WindowLimit, pools: CellPools, since = 0) {
    this.limit = limit
    this.#pools = pools
    this.#since = since
    this.capacity = capacityFor(limit.amount)
    const { cells, offset } = pools.take(sizeOf(this.capacity))
    this.cells = cells
    this.offset = offset
  }

  adopt(limit: Limit, now: Moment): void {
    if (limit.kind !== 'window') throw otherKind(this.limit, limit)
    this.limit = limit
    const capacity = capacityFor(limit.amount)
    if (capacity > this.capacity || this.used(now) === 0) this.#become(capacity, now)
  }

  /** Returns its memory to where it came from: to be called last. */
  release(): void {
    this.#pools.giveBack(sizeOf(this.capacity), { cells: this.cells, offset: this.offset })
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

  add(now: Moment, cost: number): void {
    // A larger amount may come later: nothing that was used is forgotten until then.
    if (!hasCapacity(this.limit, this, now.steady, cost)) this.#become(Number.POSITIVE_INFINITY, now)
    addUse(this.limit, this, now.steady, cost)
  }

  settle(now: Moment, at: number, taken: number, cost: number): void {
    if (cost > taken) this.add(now, cost - taken)
    else if (cost < taken && at >= this.#since) giveBackUse(this.limit, this, at, taken - cost)
  }

  countWith(now: Moment, cost: number): StoredCount {
    const cells = this.cells.slice(this.offset, this.offset + sizeOf(this.capacity))
    return cost > 0 ? countMore({ kind: 'window', cells }, this.limit, now, cost) : { kind: 'window', cells }
  }

  restore(count: StoredCount, now: Moment): void {
    if (count.kind !== 'window') throw new TypeError(`expected a window, got a ${count.kind}`)
    this.#become(capacityOfSize(count.cells.length), now)
    this.cells.set(count.cells, this.offset)
    this.adopt(this.limit, now)
  }

  countOfNone(): StoredCount {
    return { kind: 'window', cells: new Uint32Array(sizeOf(this.capacity)) }
  }

  reset(now: Moment): void {
    this.restore(this.countOfNone(), now)
    this.#since = now.steady + 1
  }

  #become(capacity: number, now: Moment): void {
    if (capacity === this.capacity) return
    const { cells, offset } = this.#pools.take(sizeOf(capacity))
    copyWindow(this.limit, this, { cells, offset, capacity }, now.steady)
    this.release()
    this.cells = cells
    this.offset = offset
    this.capacity = capacity
  }

  spanOf(): number {
    return 0
  }
}

/** What a stored window would hold with `cost` more. */
export function countMore(
  { cells }: StoredWindow,
  limit: WindowLimit,
  now: Moment,
  cost: number,
): StoredWindow {
  const meter = new WindowMeter(limit, ownCells)
  meter.restore({ kind: 'window', cells }, now)
  meter.add(now, cost)
  return { kind: 'window', cells: meter.cells }
}

function otherKind(limit: Limit, other: Limit): TypeError {
  return new TypeError(`${other.text} does not go on where ${limit.text} counted`)
}

export class CalendarMeter implements CountMeter {
  limit: CalendarLimit
  #span: CalendarSpan
  #since = 0
  #used = 0

  constructor(limit: CalendarLimit) {
    this.limit = limit
    this.#span = calendarSpanOf(limit.period, 0)
  }

  adopt(limit: Limit): void {
    if (limit.kind !== 'calendar') throw otherKind(this.limit, limit)
    this.limit = limit
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

  countWith(now: Moment, cost: number): StoredSpan {
    const used = this.used(now) + cost
    return { kind: 'calendar', beginsAt: this.#span.beginsAt, since: this.#since, used }
  }

  restore(count: StoredCount): void {
    if (count.kind !== 'calendar') throw new TypeError(`expected a calendar's span, got a ${count.kind}`)
    this.#span = calendarSpanOf(this.limit.period, count.beginsAt)
    this.#since = count.since
    this.#used = count.used
  }

  countOfNone(now: Moment): StoredSpan {
    return { ...this.countWith(now, 0), since: now.steady + 1, used: 0 }
  }

  reset(now: Moment): void {
    this.restore(this.countOfNone(now))
  }

  spanOf(now: Moment): number {
    this.used(now)
    return this.#span.beginsAt
  }
}

export class ConcurrencyMeter implements Meter {
  limit: ConcurrencyLimit
  #used = 0

  constructor(limit: ConcurrencyLimit) {
    this.limit = limit
  }

  adopt(limit: Limit): void {
    if (limit.kind !== 'concurrent') throw otherKind(this.limit, limit)
    this.limit = limit
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
    const { amount } = this.limit
    const fits = cost === 0 || this.#used + cost <= amount
    return { fits, remaining: Math.max(0, amount - this.#used), freesInMs: undefined }
  }

  settle(_now: Moment, _at: number, taken: number, cost: number): void {
    this.#used = Math.max(0, this.#used - taken + cost)
  }
}
