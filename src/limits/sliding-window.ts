/**
 * A sliding window: at most so much in *any* window of a length, however the uses fall.
 *
 * Up to 64, the time of each use is stored and the count is exact. Above, uses are counted in slots
 * of 1/64 of the window, and the slot in which the window begins counts whole: the window seems up
 * to 1/64 longer than it is, so that an error refuses a moment too long and never admits a moment
 * too early. (A window that begins on the hour admits twice as much around the hour, and a token
 * bucket nearly so after a pause; a count that restarts with each use locks a steady caller out.)
 *
 * The state is at most 68 cells of 32 bits in an array of the caller's, so that a million of them
 * are one piece of memory.
 *
 * Times are whole milliseconds from 0 on, by a clock of the caller's. One before the latest seen
 * counts as that one: setting the clock back does not undo what was used.
 */
export interface UsageWindow {
  /** Most that may be used in any window; a whole number from 1 to 2,000,000,000. */
  readonly amount: number
  /** Milliseconds, 1,000 to 31 days. */
  readonly windowMs: number
}

/** The state of one window: as many cells as `sizeOf` says, from `offset` on, all 0 at first. */
export interface WindowState {
  readonly cells: Uint32Array
  readonly offset: number
  /**
   * How many times of uses it can hold, 1 to 64, or infinitely many, in slots. It is no less than
   * the amount; more where the amount was lowered, so that what was used still counts.
   * @default as many as the amount asks for
   */
  readonly capacity?: number
}

/** What a limit has room for. */
export interface Room {
  /** Whether the cost fits, and so was taken. 0 always fits. */
  readonly fits: boolean
  /** What is left afterwards, 0 to the amount. */
  readonly remaining: number
  /**
   * Milliseconds until the cost fits, where it does not: infinite for more than the amount. Where
   * it does, until more comes free: 0 if nothing is used. Undefined where no clock decides, as for
   * requests in progress.
   */
  readonly freesInMs: number | undefined
}

/** Most cells that a window's state takes. */
export const windowCells = 68

/** What a state for this amount holds: the times of so many uses, or infinitely many in slots. */
export function capacityFor(amount: number): number {
  return amount <= exactMax ? amount : Number.POSITIVE_INFINITY
}

/** Cells that a state of this capacity takes. */
export function sizeOf(capacity: number): number {
  return capacity <= exactMax ? firstTime + capacity : windowCells
}

/**
 * The capacity of a state of so many cells.
 *
 * @throws RangeError where no state has so many
 */
export function capacityOfSize(cells: number): number {
  if (cells === windowCells) return Number.POSITIVE_INFINITY
  if (cells <= firstTime || cells > firstTime + exactMax)
    throw new RangeError(`expected a window of 4 to 67 or 68 cells, got ${cells}`)
  return cells - firstTime
}

/** Most uses whose times are stored one by one. */
const exactMax = 64
/** Slots of a window; one more is stored, for the one in which the window begins. */
const slotsPerWindow = 64
const slotsKept = slotsPerWindow + 1

/** Where the latest time, or the latest slot's number, is: 64 bits in two cells. */
const latestLow = 0
const latestHigh = 1
/** Exact: where the ring begins, times 256, and how many uses are in it. */
const ring = 2
const firstTime = 3
/** In slots: what was used in all of them, and in each. */
const total = 2
const firstSlot = 3

const twoTo32 = 4_294_967_296

/** Takes `cost`, a whole number from 0 on, where it fits. */
export function takeUse(window: UsageWindow, state: WindowState, now: number, cost: number): Room {
  return isExact(window, state)
    ? takeTimes(window, state, now, cost, cost)
    : takeFromSlots(window, state, now, cost, cost)
}

/** The same, taking nothing. */
export function peekUse(window: UsageWindow, state: WindowState, now: number, cost: number): Room {
  return isExact(window, state)
    ? takeTimes(window, state, now, cost, 0)
    : takeFromSlots(window, state, now, cost, 0)
}

/** Used in the window that ends at `now`; overstated by what one slot cannot tell apart. */
export function usedIn(window: UsageWindow, state: WindowState, now: number): number {
  if (isExact(window, state)) {
    takeTimes(window, state, now, 0, 0)
    return countOf(state)
  }
  advanceSlots(window, state, now)
  return totalOf(state)
}

/**
 * Counts `cost` more, 0 or a whole number, whether the amount has room or not; in times, no more
 * than the capacity holds, see `hasCapacity`.
 */
export function addUse(window: UsageWindow, state: WindowState, now: number, cost: number): void {
  if (isExact(window, state)) {
    addTimes(window, state, now, cost)
    return
  }
  const slot = advanceSlots(window, state, now)
  // Counted up to what 32 bits hold, twice the largest amount: beyond it, more makes no difference.
  changeSlot(state, slot, Math.min(cost, twoTo32 - 1 - totalOf(state)))
}

/** Takes back `cost` of what has counted since `at`, as far as the window still holds it. */
export function giveBackUse(window: UsageWindow, state: WindowState, at: number, cost: number): void {
  if (isExact(window, state)) {
    removeTimes(window, state, at, cost)
    return
  }
  const slot = slotOf(window, at)
  if (slot > latestOf(state) || slot <= latestOf(state) - slotsKept) return
  changeSlot(state, slot, -Math.min(cost, state.cells[slotCell(state, slot)] ?? 0))
}

/** Whether `cost` more can be added without the oldest being forgotten. */
export function hasCapacity(window: UsageWindow, state: WindowState, now: number, cost: number): boolean {
  return !isExact(window, state) || usedIn(window, state, now) + cost <= capacityOf(window, state)
}

/**
 * Copies what the window that ends at `now` holds into another state, all 0 at first: a larger one,
 * unless nothing is used. In slots, each use counts until its slot has left the window: at most
 * 1/64 of it too long.
 */
export function copyWindow(window: UsageWindow, from: WindowState, to: WindowState, now: number): void {
  const count = usedIn(window, from, now)
  const { cells, offset } = from
  if (!isExact(window, from)) {
    if (isExact(window, to)) setLatest(to, Math.max(now, startOf(window, latestOf(from))))
    else to.cells.set(cells.subarray(offset, offset + windowCells), to.offset)
    return
  }
  const latest = latestOf(from)
  const start = Math.floor((cells[offset + ring] ?? 0) / 256)
  for (let index = 0; index < count; index += 1) {
    const place = (start + index) % capacityOf(window, from)
    addUse(window, to, latest - ageAt(latest, cells[offset + firstTime + place]), 1)
  }
  if (isExact(window, to)) setLatest(to, latest)
  else advanceSlots(window, to, latest)
}

function capacityOf({ amount }: UsageWindow, { capacity }: WindowState): number {
  return capacity ?? capacityFor(amount)
}

function isExact(window: UsageWindow, state: WindowState): boolean {
  return capacityOf(window, state) <= exactMax
}

function latestOf({ cells, offset }: WindowState): number {
  return (cells[offset + latestHigh] ?? 0) * twoTo32 + (cells[offset + latestLow] ?? 0)
}

function setLatest({ cells, offset }: WindowState, latest: number): void {
  cells[offset + latestHigh] = Math.floor(latest / twoTo32)
  cells[offset + latestLow] = latest % twoTo32
}

// One by one: a ring of times, each without its upper bits. None is older than a window, 31 days at
// most, and 32 bits of milliseconds are 49 days.

/**
 * The whole way of a window in one pass, for each request takes it: moves the window's end to
 * `now`, drops what the window has left behind (a use at its very beginning is outside), and counts
 * `counted` where `cost` fits.
 */
function takeTimes(
  { amount, windowMs }: UsageWindow,
  state: WindowState,
  now: number,
  cost: number,
  counted: number,
): Room {
  const { cells, offset, capacity = amount } = state
  const first = offset + firstTime
  const before = latestOf(state)
  const latest = Math.max(before, now)
  const passed = latest - before
  const stored = cells[offset + ring] ?? 0
  let start = Math.floor(stored / 256)
  let count = stored % 256
  while (count > 0 && ageAt(before, cells[first + start]) + passed >= windowMs) {
    start = (start + 1) % capacity
    count -= 1
  }
  const over = count + cost - amount
  const fits = cost === 0 || (over <= 0 && latest === now)
  if (fits)
    for (let added = 0; added < counted; added += 1) {
      cells[first + ((start + count) % capacity)] = latest % twoTo32
      count += 1
    }
  cells[offset + ring] = start * 256 + count
  setLatest(state, latest)
  // The use that has to leave first: the oldest for more to come free, a later one for the cost to
  // fit.
  const leaving = fits ? Math.max(0, count - amount) : over - 1
  let freesInMs = fits ? 0 : latest - now
  if (cost > amount) freesInMs = fits ? 0 : Number.POSITIVE_INFINITY
  else if (leaving >= 0 && count > 0)
    freesInMs = latest - now + windowMs - ageAt(latest, cells[first + ((start + leaving) % capacity)])
  return { fits, remaining: Math.max(0, amount - count), freesInMs }
}

/** How long before the latest time a stored time was. */
function ageAt(latest: number, low: number | undefined): number {
  return ((latest % twoTo32) - (low ?? 0) + twoTo32) % twoTo32
}

function countOf({ cells, offset }: WindowState): number {
  return (cells[offset + ring] ?? 0) % 256
}

/** Beyond the capacity the oldest goes. */
function addTimes(window: UsageWindow, state: WindowState, now: number, cost: number): void {
  const { cells, offset, capacity = window.amount } = state
  takeTimes(window, state, now, 0, 0)
  let start = Math.floor((cells[offset + ring] ?? 0) / 256)
  let count = countOf(state)
  for (let added = 0; added < Math.min(cost, capacity); added += 1) {
    cells[offset + firstTime + ((start + count) % capacity)] = cells[offset + latestLow] ?? 0
    if (count < capacity) count += 1
    else start = (start + 1) % capacity
  }
  cells[offset + ring] = start * 256 + count
}

function removeTimes(window: UsageWindow, state: WindowState, at: number, cost: number): void {
  const { cells, offset, capacity = window.amount } = state
  const start = Math.floor((cells[offset + ring] ?? 0) / 256)
  const count = countOf(state)
  let left = cost
  let stays = 0
  for (let index = 0; index < count; index += 1) {
    const time = cells[offset + firstTime + ((start + index) % capacity)] ?? 0
    if (left > 0 && time === at % twoTo32) {
      left -= 1
      continue
    }
    cells[offset + firstTime + ((start + stays) % capacity)] = time
    stays += 1
  }
  cells[offset + ring] = start * 256 + stays
}

// In slots, numbered from the beginning of time; the latest is stored by its number.

function takeFromSlots(
  window: UsageWindow,
  state: WindowState,
  now: number,
  cost: number,
  counted: number,
): Room {
  const { amount } = window
  const latest = advanceSlots(window, state, now)
  const over = totalOf(state) + cost - amount
  const fits = cost === 0 || (over <= 0 && latest === slotOf(window, now))
  if (fits && counted > 0) changeSlot(state, latest, counted)
  const used = totalOf(state)
  const remaining = Math.max(0, amount - used)
  if (fits && used === 0) return { fits, remaining, freesInMs: 0 }
  if (!fits && cost > amount) return { fits, remaining, freesInMs: Number.POSITIVE_INFINITY }
  const leaving = fits ? Math.max(1, used + 1 - amount) : over
  return { fits, remaining, freesInMs: slotsFreeAt(window, state, latest, leaving) - now }
}

/**
 * When `leaving` of what is used has left the window; the start of the latest slot for 0 or less.
 */
function slotsFreeAt(window: UsageWindow, state: WindowState, latest: number, leaving: number): number {
  if (leaving <= 0) return startOf(window, latest)
  let slot = Math.max(0, latest - slotsPerWindow)
  for (let left = leaving; left > 0; slot += 1) left -= state.cells[slotCell(state, slot)] ?? 0
  return startOf(window, slot + slotsPerWindow)
}

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
