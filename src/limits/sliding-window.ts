/**
 * How much was used lately: at most so much in *any* window of a length, however the uses fall.
 *
 * Up to 64, the time of each use is kept and the count is exact. Above, uses are counted in slots of 1/64 of the window, and the
 * slot in which the window begins counts whole: the window seems up to 1/64 longer than it is, so that whoever is treated
 * wrongly is refused a moment too long, and nobody is let in a moment too early. (A window that begins on the hour lets twice as
 * much through around the hour, and a bucket of tokens nearly so after a pause; a count that starts anew with each use locks a
 * steady caller out.)
 *
 * The state is at most 68 cells of 32 bits in an array of the caller's, so that a million of them are one piece of memory.
 */
export interface UsageWindow {
  /** Most that may be used in any window; a whole number from 1 to 2,000,000,000. */
  readonly amount: number
  /** Milliseconds, 1,000 to 31 days. */
  readonly windowMs: number
}

/** The state of one window: as many cells as `cellsOf` tells, from `offset` on, all 0 at first. */
export interface WindowState {
  readonly cells: Uint32Array
  readonly offset: number
}

/** Most cells that a window's state takes. */
export const windowCells = 68

/** Cells that the state of this window takes. */
export function cellsOf({ amount }: UsageWindow): number {
  return amount <= exactMax ? firstTime + amount : windowCells
}

/** Most uses whose times are kept one by one. */
const exactMax = 64
/** Slots that a window is divided into; one more is kept, for the one in which the window begins. */
const slotsPerWindow = 64
const slotsKept = slotsPerWindow + 1

/** Where the latest time, or the latest slot's number, is kept: 64 bits in two cells. */
const latestLow = 0
const latestHigh = 1
/** Exact: where the ring begins, times 256, and how many uses are in it. */
const ring = 2
const firstTime = 3
/** In slots: what was used in all of them, and in each. */
const total = 2
const firstSlot = 3

const twoTo32 = 4_294_967_296

/*
 * Times are whole milliseconds from 0 on, by a clock of the caller's. A time before the latest that was told counts as that one: a clock
 * that was set back has not undone what was used.
 */

/** Used in the window that ends at `now`; over-stated by what one slot cannot tell apart. */
export function usedIn(window: UsageWindow, state: WindowState, now: number): number {
  if (!isExact(window)) {
    advanceSlots(window, state, now)
    return totalOf(state)
  }
  advanceRing(window, state, now)
  return countOf(state)
}

/**
 * Counts `cost` more, 0 or a whole number, whether there is room or not: that is for `freeAt` to say before.
 *
 * @returns the moment it counts from, to give it back by
 */
export function addUse(window: UsageWindow, state: WindowState, now: number, cost: number): number {
  if (isExact(window)) return addTimes(window, state, now, cost)
  const slot = advanceSlots(window, state, now)
  // Counted further than 32 bits reach, twice the largest amount, it is as much beyond it as it can be.
  changeSlot(state, slot, Math.min(cost, twoTo32 - 1 - totalOf(state)))
  return Math.max(now, startOf(window, slot))
}

/**
 * The first moment, `now` or later, at which `cost` more fits if nothing else is added; infinite for more than the amount, which
 * never does.
 */
export function freeAt(window: UsageWindow, state: WindowState, now: number, cost: number): number {
  if (cost > window.amount) return Number.POSITIVE_INFINITY
  return isExact(window) ? ringFreeAt(window, state, now, cost) : slotsFreeAt(window, state, now, cost)
}

/** Takes back `cost` of what has counted since `at`, as far as the window still holds it. */
export function giveBackUse(window: UsageWindow, state: WindowState, at: number, cost: number): void {
  if (isExact(window)) {
    removeTimes(window, state, at, cost)
    return
  }
  const slot = slotOf(window, at)
  if (slot > latestOf(state) || slot <= latestOf(state) - slotsKept) return
  changeSlot(state, slot, -Math.min(cost, state.cells[slotCell(state, slot)] ?? 0))
}

function isExact({ amount }: UsageWindow): boolean {
  return amount <= exactMax
}

function latestOf({ cells, offset }: WindowState): number {
  return (cells[offset + latestHigh] ?? 0) * twoTo32 + (cells[offset + latestLow] ?? 0)
}

function setLatest({ cells, offset }: WindowState, latest: number): void {
  cells[offset + latestHigh] = Math.floor(latest / twoTo32)
  cells[offset + latestLow] = latest % twoTo32
}

// One by one: a ring of times, of which each is kept without its upper bits. None is older than a window, 31 days at most, and
// 32 bits of milliseconds are 49 days.

function countOf({ cells, offset }: WindowState): number {
  return (cells[offset + ring] ?? 0) % 256
}

function startOfRing({ cells, offset }: WindowState): number {
  return Math.floor((cells[offset + ring] ?? 0) / 256)
}

function setRing(
  { amount }: UsageWindow,
  { cells, offset }: WindowState,
  start: number,
  count: number,
): void {
  cells[offset + ring] = (start % amount) * 256 + count
}

function timeCell({ amount }: UsageWindow, { offset }: WindowState, index: number): number {
  return offset + firstTime + (index % amount)
}

/** How long before the latest time a use was. */
function ageOf(window: UsageWindow, state: WindowState, index: number): number {
  const low = state.cells[timeCell(window, state, index)] ?? 0
  return ((latestOf(state) % twoTo32) - low + twoTo32) % twoTo32
}

/** Moves the window's end on and lets go of what it has left behind: a use at its very beginning is outside. */
function advanceRing(window: UsageWindow, state: WindowState, now: number): number {
  const before = latestOf(state)
  const latest = Math.max(before, now)
  let start = startOfRing(state)
  let count = countOf(state)
  while (count > 0 && ageOf(window, state, start) + (latest - before) >= window.windowMs) {
    start += 1
    count -= 1
  }
  setRing(window, state, start, count)
  setLatest(state, latest)
  return latest
}

function addTimes(window: UsageWindow, state: WindowState, now: number, cost: number): number {
  const { amount } = window
  const latest = advanceRing(window, state, now)
  for (let added = 0; added < Math.min(cost, amount); added += 1) {
    const start = startOfRing(state)
    const count = countOf(state)
    state.cells[timeCell(window, state, start + count)] = latest % twoTo32
    // Beyond the amount the oldest goes: nothing more fits before one that is younger has left the window.
    if (count < amount) setRing(window, state, start, count + 1)
    else setRing(window, state, start + 1, count)
  }
  return latest
}

function ringFreeAt(window: UsageWindow, state: WindowState, now: number, cost: number): number {
  const latest = advanceRing(window, state, now)
  const over = countOf(state) + cost - window.amount
  if (over <= 0) return latest
  return latest - ageOf(window, state, startOfRing(state) + over - 1) + window.windowMs
}

function removeTimes(window: UsageWindow, state: WindowState, at: number, cost: number): void {
  const start = startOfRing(state)
  const count = countOf(state)
  let left = cost
  let kept = 0
  for (let index = 0; index < count; index += 1) {
    const time = state.cells[timeCell(window, state, start + index)] ?? 0
    if (left > 0 && time === at % twoTo32) {
      left -= 1
      continue
    }
    state.cells[timeCell(window, state, start + kept)] = time
    kept += 1
  }
  setRing(window, state, start, kept)
}

// In slots, numbered from the beginning of time; the latest is kept by its number.

function slotOf({ windowMs }: UsageWindow, time: number): number {
  return Math.floor((time * slotsPerWindow) / windowMs)
}

/** The first whole millisecond of a slot. */
function startOf(window: UsageWindow, slot: number): number {
  const start = Math.ceil((slot * window.windowMs) / slotsPerWindow)
  return slotOf(window, start) < slot ? start + 1 : start
}

function slotCell({ offset }: WindowState, slot: number): number {
  return offset + firstSlot + (slot % slotsKept)
}

/** Empties the slots that the window has left behind; gives the number of the latest. */
function advanceSlots(window: UsageWindow, state: WindowState, now: number): number {
  const before = latestOf(state)
  const latest = Math.max(before, slotOf(window, now))
  const passed = Math.min(latest - before, slotsKept)
  if (passed === 0) return latest
  for (let slot = latest - passed + 1; slot <= latest; slot += 1)
    changeSlot(state, slot, -(state.cells[slotCell(state, slot)] ?? 0))
  setLatest(state, latest)
  return latest
}

function totalOf({ cells, offset }: WindowState): number {
  return cells[offset + total] ?? 0
}

function changeSlot(state: WindowState, slot: number, by: number): void {
  const { cells, offset } = state
  const cell = slotCell(state, slot)
  cells[cell] = (cells[cell] ?? 0) + by
  cells[offset + total] = totalOf(state) + by
}

function slotsFreeAt(window: UsageWindow, state: WindowState, now: number, cost: number): number {
  const latest = advanceSlots(window, state, now)
  let over = totalOf(state) + cost - window.amount
  let slot = latest - slotsPerWindow
  if (over <= 0) return Math.max(now, startOf(window, latest))
  for (; over > 0; slot += 1) over -= slot < 0 ? 0 : (state.cells[slotCell(state, slot)] ?? 0)
  return startOf(window, slot + slotsPerWindow)
}
