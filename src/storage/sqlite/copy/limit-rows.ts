import { Fault } from '../../../core/fault.ts'
import { calendarSpanOf } from '../../../limits/calendar.ts'
import { type Limit, parseLimit } from '../../../limits/limit.ts'
import { capacityOfSize } from '../../../limits/sliding-window.ts'
import type { StoredUsage } from '../../../limits/usage-store.ts'
import type { CopiedRow } from '../../copy/copied-tables.ts'
import type { CopiedClock } from '../../copy/copy-source.ts'
import type { RowSieve } from '../../copy/damaged-rows.ts'
import type { UsageTable } from '../limits/usage-table.ts'

const rowsAtOnce = 500

/** Written once: the next version is a node's. */
const version = 1

/**
 * What is used of long limits, as a fleet keeps it: the times of the database's clock, and the
 * reserve as the spare, which the first node counts as used. Nothing comes free earlier than it
 * would have.
 */
export function limitRows(
  table: Pick<UsageTable, 'find' | 'listNamesAfter'>,
  sieve: RowSieve,
): (clock: CopiedClock, after?: CopiedRow) => Generator<CopiedRow> {
  return function* rows(clock, after) {
    let last = String(after?.[0] ?? '')
    for (;;) {
      const names = table.listNamesAfter(last, rowsAtOnce)
      for (const name of names) {
        const use = sieve.pass({ table: 'kept_uses', row: `limit ${name}`, key: name }, () => {
          const found = table.find(name)
          return found && { ...found, cells: cellsOf(found, clock) }
        })
        if (use !== undefined) yield [use.name, use.limit, use.cells, use.reserve, version]
      }
      last = names.at(-1) ?? last
      if (names.length < rowsAtOnce) return
    }
  }
}

function cellsOf(use: StoredUsage, clock: CopiedClock): Uint8Array {
  const limit = parseLimit(use.limit)
  const { count } = use
  if (typeof limit !== 'string') {
    if (count.kind === 'calendar' && limit.kind === 'calendar') {
      const { beginsAt, endsAt } = calendarSpanOf(limit.period, count.beginsAt)
      return doubles([beginsAt, endsAt, Math.min(count.since + clock.shiftMs, clock.now), count.used])
    }
    if (count.kind === 'window' && limit.kind === 'window') return windowOf(count.cells, limit, clock)
  }
  throw new Fault('limiter_unavailable', `${use.name}: what is counted is not of ${use.limit}`)
}

/** Times of the uses from the oldest on, and how much; the last moment by which all is seen. */
interface Uses {
  readonly latest: number
  readonly uses: readonly (readonly [when: number, count: number])[]
}

const twoTo32 = 4_294_967_296

/** A window's cell as the fleet's limiter has it: see `storage/redis/script-windows.ts`. */
function windowOf(
  cells: Uint32Array,
  { windowMs }: Limit & { windowMs: number },
  clock: CopiedClock,
): Uint8Array {
  const capacity = capacityOfSize(cells.length)
  const isExact = Number.isFinite(capacity)
  const { latest, uses } = isExact ? shiftTimes(cells, capacity, clock) : shiftSlots(cells, windowMs, clock)
  const bytes = Buffer.alloc(29 + 8 * uses.length)
  bytes.writeUInt8(isExact ? capacity : 0, 0)
  bytes.writeDoubleLE(latest, 1)
  bytes.writeUInt32LE(
    uses.reduce((sum, [, count]) => sum + count, 0),
    25,
  )
  for (const [index, [when, count]] of uses.entries()) {
    bytes.writeUInt32LE(when % twoTo32, 29 + 8 * index)
    bytes.writeUInt32LE(count, 33 + 8 * index)
  }
  return bytes
}

function latestOf(cells: Uint32Array): number {
  return (cells[1] ?? 0) * twoTo32 + (cells[0] ?? 0)
}

function shiftTimes(cells: Uint32Array, capacity: number, { shiftMs, now }: CopiedClock): Uses {
  const before = latestOf(cells)
  const ring = cells[2] ?? 0
  const uses = new Map<number, number>()
  for (let index = 0; index < ring % 256; index += 1) {
    const low = cells[3 + ((Math.floor(ring / 256) + index) % capacity)] ?? 0
    const at = Math.min(before - (((before % twoTo32) - low + twoTo32) % twoTo32) + shiftMs, now)
    uses.set(at, (uses.get(at) ?? 0) + 1)
  }
  return { latest: Math.max(0, Math.min(before + shiftMs, now)), uses: [...uses] }
}

const slotsKept = 65

/** Each use as if it was the last of its slot: the slots of the other clock begin elsewhere. */
function shiftSlots(cells: Uint32Array, windowMs: number, { shiftMs, now }: CopiedClock): Uses {
  const before = latestOf(cells)
  const slotOf = (time: number): number => Math.floor((time * 64) / windowMs)
  const shifted = (slot: number): number =>
    Math.max(0, slotOf(Math.min(Math.ceil(((slot + 1) * windowMs) / 64) + shiftMs, now)))
  const uses = new Map<number, number>()
  for (let slot = Math.max(0, before - slotsKept + 1); slot <= before; slot += 1) {
    const count = cells[3 + (slot % slotsKept)] ?? 0
    if (count > 0) uses.set(shifted(slot), (uses.get(shifted(slot)) ?? 0) + count)
  }
  return { latest: shifted(before), uses: [...uses] }
}

function doubles(values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(8 * values.length)
  for (const [index, value] of values.entries()) bytes.writeDoubleLE(value, 8 * index)
  return bytes
}
