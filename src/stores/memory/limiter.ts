import { calendarSpanOf } from '../../core/calendar.ts'
import type { Clock } from '../../core/clock.ts'
import type { Limiter, LimitRefusal, LimitState, LimitUse, Taking } from '../../core/limiter.ts'
import { addUse, freeAt, giveBackUse, usedIn, windowCells } from '../../core/usage-window.ts'
import { type CellPool, createCellPool } from './cell-pool.ts'

export interface MemoryLimiterOptions {
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock
}

/** A limiter of this process, with what can be seen of it. */
export interface MemoryLimiter extends Limiter {
  /** Limits that hold something. */
  readonly size: () => number
  /** Lets go of limits of which nothing is used any more; gives how many. To be called now and then. */
  readonly sweep: () => number
}

/** Counts in this process's memory: about 350 bytes a limit that is in use, and nothing for one that is not. */
export function createMemoryLimiter({ clock = Date.now }: MemoryLimiterOptions = {}): MemoryLimiter {
  const meters = new Map<string, Meter>()
  const pool = createCellPool(windowCells)
  let latest = 0

  /** A clock that was set back has not undone what was used. */
  function readClock(): number {
    latest = Math.max(latest, Math.floor(clock()))
    return latest
  }

  function meterOf(use: LimitUse): Meter {
    const known = meters.get(use.name)
    if (known !== undefined) return known
    const meter = createMeter(use, pool)
    meters.set(use.name, meter)
    return meter
  }

  /** Every limit is looked at before any is counted, in one go without a pause: nobody gets in between. */
  function take(uses: readonly LimitUse[], isLookOnly: boolean): Taking {
    const now = readClock()
    let refusal: LimitRefusal | undefined
    const shadows: LimitRefusal[] = []
    for (const use of uses) {
      const refused = refusalOf(meterOf(use), use, now)
      if (refused === undefined) continue
      if (use.isShadow) shadows.push(refused)
      else if (refusal === undefined || passesLater(refused, refusal)) refusal = refused
    }
    if (refusal === undefined && !isLookOnly)
      for (const use of uses)
        if (!shadows.some((shadow) => shadow.use === use)) meterOf(use).add(now, use.cost)
    return { refusal, shadows, states: uses.map((use) => stateOf(meterOf(use), use, now)), at: now }
  }

  return {
    take: (uses) => take(uses, false),
    look: (uses) => take(uses, true),
    settle(uses, at, costs) {
      const now = readClock()
      for (const [index, use] of uses.entries()) meterOf(use).settle(now, at, use.cost, costs[index] ?? 0)
    },
    size: () => meters.size,
    sweep() {
      const now = readClock()
      const before = meters.size
      for (const [name, meter] of meters) {
        if (meter.used(now) > 0) continue
        meter.free()
        meters.delete(name)
      }
      return before - meters.size
    },
  }
}

/** What one limit counts. */
interface Meter {
  readonly used: (now: number) => number
  readonly add: (now: number, cost: number) => void
  readonly settle: (now: number, at: number, taken: number, cost: number) => void
  /** When `cost` more fits; undefined where only somebody's end can tell. */
  readonly freeAt: (now: number, cost: number) => number | undefined
  /** Gives its memory back. */
  readonly free: () => void
}

function createMeter({ limit }: LimitUse, pool: CellPool): Meter {
  switch (limit.kind) {
    case 'window': {
      const state = pool.take()
      return {
        used: (now) => usedIn(limit, state, now),
        add: (now, cost) => void addUse(limit, state, now, cost),
        settle(now, at, taken, cost) {
          if (cost < taken) giveBackUse(limit, state, at, taken - cost)
          else if (cost > taken) addUse(limit, state, now, cost - taken)
        },
        freeAt: (now, cost) => freeAt(limit, state, now, cost),
        free: () => pool.giveBack(state),
      }
    }
    case 'calendar': {
      let span = calendarSpanOf(limit.period, 0)
      let used = 0
      const advance = (now: number): void => {
        if (now < span.endsAt) return
        span = calendarSpanOf(limit.period, now)
        used = 0
      }
      return {
        used(now) {
          advance(now)
          return used
        },
        add(now, cost) {
          advance(now)
          used += cost
        },
        settle(now, at, taken, cost) {
          advance(now)
          // What was taken in a span that is over is nobody's loss.
          used = Math.max(0, used + cost - (at >= span.beginsAt ? taken : 0))
        },
        freeAt(now, cost) {
          advance(now)
          return used + cost <= limit.amount ? now : span.endsAt
        },
        free: () => {},
      }
    }
    case 'concurrent': {
      let used = 0
      return {
        used: () => used,
        add: (_now, cost) => {
          used += cost
        },
        settle: (_now, _at, taken) => {
          used = Math.max(0, used - taken)
        },
        freeAt: (now, cost) => (used + cost <= limit.amount ? now : undefined),
        free: () => {},
      }
    }
  }
}

function refusalOf(meter: Meter, use: LimitUse, now: number): LimitRefusal | undefined {
  if (use.cost === 0) return undefined
  const free = meter.freeAt(now, use.cost)
  if (free !== undefined && free <= now) return undefined
  return { use, retryInMs: free === undefined ? undefined : free - now }
}

function passesLater(one: LimitRefusal, other: LimitRefusal): boolean {
  return (one.retryInMs ?? 0) > (other.retryInMs ?? 0)
}

function stateOf(meter: Meter, use: LimitUse, now: number): LimitState {
  const remaining = Math.max(0, use.limit.amount - meter.used(now))
  const isUnused = remaining === use.limit.amount
  const more = isUnused ? now : (meter.freeAt(now, Math.min(remaining + 1, use.limit.amount)) ?? now)
  return { use, remaining, freesInMs: more - now }
}
