import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addUse,
  capacityFor,
  giveBackUse,
  peekUse,
  type Room,
  sizeOf,
  takeUse,
  type UsageWindow,
  usedIn,
  type WindowState,
  windowCells,
} from './sliding-window.ts'

function emptyState(): WindowState {
  // Among others, so that a step beyond its own cells would be seen.
  return { cells: new Uint32Array(3 * windowCells), offset: windowCells }
}

/** The first moment, `now` or later, at which the cost fits if nothing else is taken. */
function freeAt(window: UsageWindow, state: WindowState, now: number, cost: number): number {
  const { fits, freesInMs = Number.NaN } = peekUse(window, state, now, cost)
  return fits ? now : now + freesInMs
}

/** A plain list of when each use was: what the arithmetic stands for. */
class ListOfUses {
  readonly times: number[] = []
  readonly windowMs: number
  latest = 0

  constructor(windowMs: number) {
    this.windowMs = windowMs
  }

  used(now: number, windowMs: number = this.windowMs): number {
    this.latest = Math.max(this.latest, now)
    return this.times.filter((time) => time > this.latest - windowMs).length
  }

  add(now: number, cost: number): void {
    this.latest = Math.max(this.latest, now)
    for (let added = 0; added < cost; added += 1) this.times.push(this.latest)
  }

  /** Times of the uses in the window that ends at `now`, the oldest first. */
  inWindow(now: number): readonly number[] {
    return this.times.filter((time) => time > now - this.windowMs)
  }

  /** Most uses in any window of the length. */
  most(): number {
    const counts = this.times.map(
      (end) => this.times.filter((time) => time <= end && time > end - this.windowMs).length,
    )
    return Math.max(0, ...counts)
  }
}

const exact = fc.record({
  amount: fc.integer({ min: 1, max: 64 }),
  windowMs: fc.integer({ min: 1_000, max: 100_000 }),
})
const slotted = fc.record({
  amount: fc.integer({ min: 65, max: 200 }),
  windowMs: fc.integer({ min: 1_000, max: 100_000 }),
})

/**
 * Steps of a clock that mostly goes on, stands still, and is now and then set forward or back; each
 * with a cost.
 */
function history(window: fc.Arbitrary<UsageWindow>) {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 40 }).map((part) => part / 1_000) },
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.integer({ min: 960, max: 1_040 }).map((part) => part / 1_000) },
    { weight: 1, arbitrary: fc.integer({ min: -1_500, max: 2_500 }).map((part) => part / 1_000) },
  )
  return fc.tuple(
    window,
    fc.array(
      fc.record({
        step,
        cost: fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.integer({ min: 0, max: 70 })),
      }),
      {
        maxLength: 120,
      },
    ),
    fc.integer({ min: 0, max: 5_000_000_000_000 }),
  )
}

/** Takes each cost in turn where it fits; `each` is called before, `taken` after. */
function run(
  [window, steps, begin]: [UsageWindow, readonly { step: number; cost: number }[], number],
  each: (moment: {
    now: number
    cost: number
    state: WindowState
    list: ListOfUses
    fits: boolean
  }) => void = () => {},
  taken: (outcome: {
    at: number
    cost: number
    list: ListOfUses
    room: Room
    fits: boolean
  }) => void = () => {},
): ListOfUses {
  const state = emptyState()
  const list = new ListOfUses(window.windowMs)
  let now = begin
  for (const { step, cost } of steps) {
    now = Math.max(0, Math.round(now + step * window.windowMs))
    const at = Math.max(now, list.latest)
    list.latest = at
    const { fits } = peekUse(window, state, at, cost)
    each({ now, cost, state, list, fits })
    const room = takeUse(window, state, at, cost)
    if (fits) list.add(now, cost)
    taken({ at, cost, list, room, fits })
  }
  expect(state.cells.subarray(0, windowCells).some((cell) => cell !== 0)).toBe(false)
  expect(
    state.cells.subarray(windowCells + sizeOf(capacityFor(window.amount))).some((cell) => cell !== 0),
  ).toBe(false)
  return list
}

describe('up to 64', () => {
  test('it agrees with a plain list of times, whatever the history and the clock', () => {
    fc.assert(
      fc.property(history(exact), (one) => {
        const [window] = one
        const list = run(one, ({ now, cost, state, list: uses, fits }) => {
          expect(usedIn(window, state, now)).toBe(uses.used(now))
          expect(fits).toBe(uses.used(now) + cost <= window.amount)
        })
        expect(list.most()).toBeLessThanOrEqual(window.amount)
      }),
      { numRuns: 10_000 },
    )
  })

  test('what is left, and when more comes free or the cost fits, is what a plain list of times says', () => {
    fc.assert(
      fc.property(history(exact), (one) => {
        const [{ amount, windowMs }] = one
        run(one, undefined, ({ at, cost, list, room, fits }) => {
          const times = list.inWindow(at)
          const leaving = times[fits ? 0 : times.length + cost - amount - 1]
          const isNever = !fits && cost > amount
          const freesInMs = leaving === undefined ? 0 : leaving + windowMs - at
          expect(room).toEqual({
            fits,
            remaining: amount - times.length,
            freesInMs: isNever ? Number.POSITIVE_INFINITY : freesInMs,
          })
        })
      }),
      { numRuns: 3_000 },
    )
  })

  test.each([1, 7, 10, 60, 64])('a caller at exactly %i per window is never refused', (amount) => {
    const window = { amount, windowMs: 60_000 }
    const state = emptyState()
    for (let use = 0; use < 10 * amount; use += 1) {
      const now = Math.ceil((use * window.windowMs) / amount)
      expect(freeAt(window, state, now, 1)).toBe(now)
      addUse(window, state, now, 1)
    }
  })
})

describe('above 64', () => {
  test('it never lets more through than the amount in any window, whatever the history and the clock', () => {
    fc.assert(
      fc.property(history(slotted), (one) => {
        expect(run(one).most()).toBeLessThanOrEqual(one[0].amount)
      }),
      { numRuns: 10_000 },
    )
  })

  test('it refuses only what would not fit in a window that is 1/64 longer', () => {
    fc.assert(
      fc.property(history(slotted), (one) => {
        const [window] = one
        run(one, ({ now, cost, list, fits }) => {
          if (!fits) expect(list.used(now, (window.windowMs * 65) / 64) + cost).toBeGreaterThan(window.amount)
        })
      }),
      { numRuns: 10_000 },
    )
  })

  test.each([65, 100, 1_000, 4_095])('a caller at 63/64 of %i per window is never refused', (amount) => {
    const window = { amount, windowMs: 60_000 }
    const state = emptyState()
    for (let use = 0; use < 10 * amount; use += 1) {
      const now = Math.ceil((use * window.windowMs * 64) / (63 * amount))
      expect(freeAt(window, state, now, 1)).toBe(now)
      addUse(window, state, now, 1)
    }
  })

  test.each([
    [65, 1_000],
    [1_000, 3_600_000],
  ])('bursts of %i at the edges of a window of %i ms let through no more than that', (amount, windowMs) => {
    const window = { amount, windowMs }
    for (const edge of [0, 1, windowMs / 64, windowMs / 2, windowMs - 1, windowMs].map(Math.round)) {
      const state = emptyState()
      const list = new ListOfUses(windowMs)
      for (const now of [edge, edge + windowMs - 1, edge + windowMs, edge + Math.ceil((windowMs * 65) / 64)])
        while (freeAt(window, state, now, 1) <= now) {
          addUse(window, state, now, 1)
          list.add(now, 1)
        }
      expect(list.most()).toBe(amount)
    }
  })
})

describe.each([
  ['up to 64', exact],
  ['above 64', slotted],
] as const)('%s', (_name, window) => {
  test('the moment it names is the first at which the same cost fits', () => {
    fc.assert(
      fc.property(history(window), (one) => {
        const [limit] = one
        run(one, ({ now, cost, state, list, fits }) => {
          if (fits) return
          const free = freeAt(limit, state, now, cost)
          if (cost > limit.amount) {
            expect(free).toBe(Number.POSITIVE_INFINITY)
            return
          }
          expect(Number.isSafeInteger(free) && free > Math.max(now, list.latest)).toBe(true)
          const copy = { cells: state.cells.slice(), offset: state.offset }
          expect(freeAt(limit, copy, free - 1, cost)).toBe(free)
          expect(freeAt(limit, copy, free, cost)).toBe(free)
        })
      }),
      { numRuns: 1_000 },
    )
  })

  test('what is given back was never used', () => {
    fc.assert(
      fc.property(history(window), fc.integer({ min: 0, max: 60 }), (one, cost) => {
        const [limit] = one
        run(one, ({ now, state, list }) => {
          const before = usedIn(limit, state, now)
          if (before + cost > limit.amount) return
          const copy = { cells: state.cells.slice(), offset: state.offset }
          addUse(limit, copy, now, cost)
          giveBackUse(limit, copy, Math.max(now, list.latest), cost)
          expect(usedIn(limit, copy, now)).toBe(before)
        })
      }),
      { numRuns: 500 },
    )
  })

  test('a state that is not asked for long is as good as new', () => {
    fc.assert(
      fc.property(history(window), (one) => {
        const [limit, , begin] = one
        let last: WindowState | undefined
        let latest = begin
        run(one, ({ now, state }) => {
          last = state
          latest = Math.max(latest, now)
        })
        // Beyond what 32 bits of milliseconds can tell.
        if (last !== undefined) expect(usedIn(limit, last, latest + 5_000_000_000)).toBe(0)
      }),
      { numRuns: 300 },
    )
  })
})
