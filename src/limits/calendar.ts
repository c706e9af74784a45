import type { CalendarPeriod } from './limit.ts'
import type { Moment } from './usage-store.ts'

/** A stretch of the calendar, UTC: from its first millisecond to the first of the next. */
export interface CalendarSpan {
  readonly beginsAt: number
  readonly endsAt: number
}

/** The day or the month that a moment lies in, milliseconds since the epoch. */
export function calendarSpanOf(period: CalendarPeriod, at: number): CalendarSpan {
  const date = new Date(at)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  return period === 'day'
    ? { beginsAt: Date.UTC(year, month, day), endsAt: Date.UTC(year, month, day + 1) }
    : { beginsAt: Date.UTC(year, month), endsAt: Date.UTC(year, month + 1) }
}

/**
 * How long until a stretch that has been counted since a moment is over; 0 or less where it is. It
 * ends at its end by the wall clock, also where that was set back and goes through it twice. One
 * that would still lie ahead after its length ends then: what was used in it stays used, and yet no
 * caller waits for a clock that was years ahead; never for twice the length.
 */
export function spanLeftMs(
  { beginsAt, endsAt }: CalendarSpan,
  since: number,
  { steady, wall }: Moment,
): number {
  const untilLength = since + (endsAt - beginsAt) - steady
  const isStillAhead = wall + Math.max(0, untilLength) < beginsAt
  return isStillAhead ? untilLength : endsAt - wall
}
