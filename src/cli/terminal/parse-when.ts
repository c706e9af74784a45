import { durationForms, parseDuration } from '../../core/time.ts'
import { usageError } from '../cli-error.ts'

const timeForms = 'a time in ISO 8601 with its zone, such as `2027-01-31` (UTC) or `2027-01-31T12:00:00Z`'

const timePattern = /^(\d{4})-(\d{2})-(\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/

/**
 * Reads a time in ISO 8601; milliseconds since the epoch, or undefined. A time of day needs a zone.
 */
export function parseTime(text: string): number | undefined {
  const [, year, month, day] = timePattern.exec(text) ?? []
  const time = Date.parse(text)
  if (day === undefined || Number.isNaN(time)) return undefined
  // `Date.parse` takes the 31st of a month of 30 days for the 1st of the next.
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  return Number(day) <= daysInMonth ? time : undefined
}

/**
 * Reads a moment as people give it to a flag, from now on or as a time.
 *
 * @throws CliError `usage_invalid`
 */
export function parseWhen(flag: string, text: string, now: number): number {
  const duration = parseDuration(text)
  const time = duration === undefined ? parseTime(text) : now + duration
  if (time === undefined) throw notWhen(flag, 'from now', text)
  return time
}

/**
 * Reads a moment that lies behind: a duration ago, or a time.
 *
 * @throws CliError `usage_invalid`
 */
export function parseWhenAgo(flag: string, text: string, now: number): number {
  const duration = parseDuration(text)
  const time = duration === undefined ? parseTime(text) : now - duration
  if (time === undefined) throw notWhen(flag, 'ago', text)
  return time
}

function notWhen(flag: string, direction: 'from now' | 'ago', text: string): Error {
  return usageError(
    flag,
    `expected a duration ${direction}, ${durationForms}, or ${timeForms}, got ${JSON.stringify(text)}`,
  )
}
