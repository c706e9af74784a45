import { Fault } from '../core/fault.ts'
import { calendarSpanOf, spanLeftMs } from './calendar.ts'
import { countMore } from './in-process/meter.ts'
import { parseLimit } from './limit.ts'
import type { LimitUse } from './limiter.ts'
import type { Moment, StoredUsage } from './usage-store.ts'

/** Shortest window whose use outlives the process: a lost shorter one soon stops mattering. */
const storedWindowMsMin = 3_600_000

/**
 * Whether usage of a limit is stored: windows of an hour and more, and the calendar's spans. Not an
 * address's: strangers would fill the disk.
 */
export function isStored({ limit, counter, isOfAddress }: LimitUse): boolean {
  // A demand without a name has another one in the next process.
  if (isOfAddress || counter.startsWith('route:~')) return false
  return limit.kind === 'calendar' || (limit.kind === 'window' && limit.windowMs >= storedWindowMsMin)
}

/** Largest reserve, and so what a crash may cost: 1/64 of the limit, as one slot of a window. */
export function reserveMaxOf(amount: number): number {
  return Math.ceil(amount / 64)
}

/**
 * Whether nothing of it counts any more. The reserve of a window may have been used at any time
 * since it was written; that of a day, only in that day.
 */
export function isExpired({ limit, at, count, reserve }: StoredUsage, now: Moment): boolean {
  const parsed = parseLimit(limit)
  if (typeof parsed === 'string') return false
  if (parsed.kind === 'calendar' && count.kind === 'calendar')
    return spanLeftMs(calendarSpanOf(parsed.period, count.beginsAt), count.since, now) <= 0
  return parsed.kind === 'window' && reserve === 0 && now.steady - at >= parsed.windowMs
}

/**
 * The same with its reserve counted as used now, the latest moment at which that can have been.
 *
 * @throws Fault `limiter_unavailable` for what is not a window's state
 */
export function countReserve(usage: StoredUsage, now: Moment): StoredUsage {
  const { count, reserve } = usage
  if (reserve === 0) return usage
  if (count.kind === 'calendar')
    return { ...usage, count: { ...count, used: count.used + reserve }, reserve: 0 }
  const limit = parseLimit(usage.limit)
  if (typeof limit === 'string' || limit.kind !== 'window')
    throw new Fault('limiter_unavailable', `${usage.name}: expected a window, got ${usage.limit}`)
  return { ...usage, at: now.steady, count: countMore(count, limit, now, reserve), reserve: 0 }
}
