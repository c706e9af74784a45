import { type CalendarSpan, calendarSpanOf } from '../../core/calendar.ts'
import type { Clock } from '../../core/clock.ts'
import type { CalendarLimit, ConcurrencyLimit, Limit, WindowLimit } from '../../core/limit.ts'
import type { Limiter, LimitRefusal, LimitState, LimitUse, Taking } from '../../core/limiter.ts'
import { addUse, freeAt, giveBackUse, usedIn, windowCells } from '../../core/usage-window.ts'
import { type CellPool, type Cells, createCellPool } from './cell-pool.ts'

export interface MemoryLimiterOptions {
  /** Milliseconds since the epoch, for the calendar's days and months. @default Date.now */
  readonly clock?: Clock
  /** Never jumps, for windows: a clock that is set right must neither lock anybody out nor let twice as much through. @default performance.now */
  readonly monotonic?: Clock
}

/** A limiter of this process, with what can be seen of it. */
export interface MemoryLimiter extends Limiter {
  /** Limits that hold something. */
  readonly size: () => number
  /** Lets go of limits of which nothing is used any more; gives how many. To be called now and then. */
  readonly sweep: () => number
}

/** Counts in this process's memory: about 350 bytes a limit that is in use, and nothing for one that is not. */
export function createMemoryLimiter(options: MemoryLimiterOptions = {}): MemoryLimiter {
  const { clock = Date.now, monotonic = () => performance.now() } = options
  const meters = new Map<string, Meter>()
  const pool = createCellPool(windowCells)
  const origin = clock() - monotonic()
  let latestDay = 0

  /** Both clocks at this moment. A wall clock that was set back has not undone what was used of a day. */
  function readClocks(): Moment {
    latestDay = Math.max(latestDay, clock())
    return { steady: Math.floor(origin + monotonic()), wall: latestDay }
  }

  function meterOf(use: LimitUse): Meter {
    const known = meters.get(use.name)
    if (known !== undefined) return known
    const meter = createMeter(use.limit, pool)
    meters.set(use.name, meter)
    return meter
  }

  /** Every limit is looked at before any is counted, in one go without a pause: nobody gets in between. */
  function take(uses: readonly LimitUse[], isLookOnly: boolean): Taking {
    const now = readClocks()
    const met = uses.map(meterOf)
    let refusal: LimitRefusal | undefined
    let shadows: LimitRefusal[] = none
    for (const [index, use] of uses.entries()) {
      const refused = refusalOf(met[index] as Meter, use, now)
      if (refused === undefined) continue
      if (use.isShadow) shadows = [...shadows, refused]
      else if (refusal === undefined || passesLater(refused, refusal)) refusal = refused
    }
    if (refusal === undefined && !isLookOnly)
      for (const [index, use] of uses.entries())
        if (shadows === none || !shadows.some((shadow) => shadow.use === use)) met[index]?.add(now, use.cost)
    const states = uses.map((use, index) => stateOf(met[index] as Meter, use, now))
    return { refusal, shadows, states, at: now.steady }
  }

  return {
    take: (uses) => take(uses, false),
    look: (uses) => take(uses, true),
    settle(uses, at, costs) {
      const now = readClocks()
      for (const [index, use] of uses.entries()) meterOf(use).settle(now, at, use.cost, costs[index] ?? 0)
    },
    size: () => meters.size,
    sweep() {
      const now = readClocks()
      const before = meters.size
      for (const [name, meter] of meters) {
        if (meter.used(now) > 0) continue
        if (meter instanceof WindowMeter) pool.giveBack(meter)
        meters.delete(name)
      }
      return before - meters.size
    },
  }
}

const none: LimitRefusal[] = []

/** A moment by two clocks, in milliseconds: one that never jumps, and the one that people set. */
interface Moment {
  readonly steady: number
  readonly wall: number
}

/** What one limit counts. Objects of classes: a million of them hold no functions of their own. */
interface Meter {
  readonly used: (now: Moment) => number
  readonly add: (now: Moment, cost: number) => void
  /** Puts `cost` in the place of what was taken at a moment. */
  readonly settle: (now: Moment, at: number, taken: number, cost: number) => void
  /** How long until `cost` more fits; undefined where only somebody's end can tell. */
  readonly freeInMs: (now: Moment, cost: number) => number | undefined
}

function createMeter(limit: Limit, pool: CellPool): Meter {
  switch (limit.kind) {
    case 'window':
      return new WindowMeter(limit, pool.take())
    case 'calendar':
      return new CalendarMeter(limit)
    case 'concurrent':
      return new ConcurrencyMeter(limit)
  }
}

class WindowMeter implements Meter, Cells {
  readonly cells: Uint32Array
  readonly offset: number
  readonly #limit: WindowLimit

  constructor(limit: WindowLimit, { cells, offset }: Cells) {
    this.#limit = limit
    this.cells = cells
    this.offset = offset
  }

  used({ steady }: Moment): number {
    return usedIn(this.#limit, this, steady)
  }

  add({ steady }: Moment, cost: number): void {
    addUse(this.#limit, this, steady, cost)
  }

  settle({ steady }: Moment, at: number, taken: number, cost: number): void {
    if (cost < taken) giveBackUse(this.#limit, this, at, taken - cost)
    else if (cost > taken) addUse(this.#limit, this, steady, cost - taken)
  }

  freeInMs({ steady }: Moment, cost: number): number {
    return freeAt(this.#limit, this, steady, cost) - steady
  }
}

class CalendarMeter implements Meter {
  readonly #limit: CalendarLimit
  #span: CalendarSpan
  #used = 0

  constructor(limit: CalendarLimit) {
    this.#limit = limit
    this.#span = calendarSpanOf(limit.period, 0)
  }

  used({ wall }: Moment): number {
    if (wall >= this.#span.endsAt) {
      this.#span = calendarSpanOf(this.#limit.period, wall)
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
    const isOfThisSpan = at >= this.#span.beginsAt
    this.#used = Math.max(0, isOfThisSpan ? used - taken + cost : used + Math.max(0, cost - taken))
  }

  freeInMs(now: Moment, cost: number): number {
    return this.used(now) + cost <= this.#limit.amount ? 0 : this.#span.endsAt - now.wall
  }
}

class ConcurrencyMeter implements Meter {
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

function refusalOf(meter: Meter, use: LimitUse, now: Moment): LimitRefusal | undefined {
  if (use.cost === 0) return undefined
  const retryInMs = meter.freeInMs(now, use.cost)
  return retryInMs === 0 ? undefined : { use, retryInMs }
}

function passesLater(one: LimitRefusal, other: LimitRefusal): boolean {
  return (one.retryInMs ?? 0) > (other.retryInMs ?? 0)
}

function stateOf(meter: Meter, use: LimitUse, now: Moment): LimitState {
  const { amount } = use.limit
  const remaining = Math.max(0, amount - meter.used(now))
  const freesInMs = remaining === amount ? 0 : (meter.freeInMs(now, remaining + 1) ?? 0)
  return { use, remaining, freesInMs }
}
