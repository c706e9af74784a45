import { Fault } from '../core/fault.ts'
import { calendarSpanOf, spanLeftMs } from './calendar.ts'
import { parseLimit } from './limit.ts'
import type { LimitUse } from './limiter.ts'
import { addUse } from './sliding-window.ts'
import type { KeptUse, Moment } from './usage-store.ts'

/** Shortest window whose use outlives the process: what is lost of a shorter one is soon made up for. */
const keptWindowMsMin = 3_600_000

/** Whether what is used of a limit is kept across restarts: windows of an hour and more, and the calendar's days and months. */
export function isKept({ limit, name }: LimitUse): boolean {
  // A route that nobody named is called something else by the next process.
  if (name.startsWith('route:~')) return false
  return limit.kind === 'calendar' || (limit.kind === 'window' && limit.windowMs >= keptWindowMsMin)
}

/** Most that may be spare, and so be lost to a crash: 1/64 of the limit, as much as one slot of a window cannot tell apart. */
export function spareMaxOf(amount: number): number {
  return Math.ceil(amount / 64)
}

/** Whether nothing of it counts any more. What is spare of a window may have been used at any time since it was written; of a day, only in that day. */
export function isOver({ limit, at, count, spare }: KeptUse, now: Moment): boolean {
  const parsed = parseLimit(limit)
  if (typeof parsed === 'string') return false
  if (parsed.kind === 'calendar' && count.kind === 'calendar')
    return spanLeftMs(calendarSpanOf(parsed.period, count.beginsAt), count.since, now) <= 0
  return parsed.kind === 'window' && spare === 0 && now.steady - at >= parsed.windowMs
}

/**
 * The same with its spare counted as used now, the latest moment at which that can have been.
 *
 * @throws Fault `limiter_unavailable` for what no window's state can be
 */
export function countSpare(use: KeptUse, now: Moment): KeptUse {
  const { count, spare } = use
  if (spare === 0) return use
  if (count.kind === 'calendar') return { ...use, count: { ...count, used: count.used + spare }, spare: 0 }
  const limit = parseLimit(use.limit)
  if (typeof limit === 'string' || limit.kind !== 'window')
    throw new Fault('limiter_unavailable', `${use.name}: expected a window, got ${use.limit}`)
  const cells = count.cells.slice()
  addUse(limit, { cells, offset: 0 }, now.steady, spare)
  return { ...use, at: now.steady, count: { kind: 'window', cells }, spare: 0 }
}
