import type { CalendarPeriod } from './limit.ts'

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
