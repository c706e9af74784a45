/** Milliseconds since the epoch, UTC. A parameter, so that a test can move the time. */
export type Clock = () => number

/**
 * A moment as the library takes it: a `Date`, milliseconds since the epoch, a duration such as
 * `90d`, counted from now, or a time in ISO 8601: `2027-01-31T12:00:00Z`, or `2027-01-31` for its
 * first moment, UTC. From 1970 to 9999.
 */
export type TimeInput = Date | number | string

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** How durations are written, for messages. */
export const durationForms = '`90s`, `15min`, `24h` or `30d`'

/** How times are written, for messages. */
export const timeForms =
  'a time in ISO 8601 with its zone, such as `2027-01-31` (UTC) or `2027-01-31T12:00:00Z`'

/** Longest duration there is: a hundred years of 365 days, in milliseconds. */
const durationMsMax: number = 100 * 365 * 86_400_000

/** Last moment with a year of four digits: what is shown for it, can be read again. */
const timeMsMax = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * Smaller numbers are moments before March 1973. What is meant is seconds since the epoch, which
 * until the year 5138 are fewer than this, or a duration: taken for a moment, a key would end, or
 * begin to work, at once.
 */
const momentMsMin = 100_000_000_000

/**
 * Reads a duration such as `500ms`, `90s`, `15min`, `24h` or `30d`: milliseconds, or undefined for
 * any other text.
 */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,15})(ms|s|min|h|d)$/.exec(text) ?? []
  if (digits === undefined || unit === undefined) return undefined
  const ms = Number(digits) * (unitMs[unit] ?? Number.NaN)
  return ms <= durationMsMax ? ms : undefined
}

/** Writes milliseconds in the largest unit that needs no fraction: 900000 is `15min`. */
export function formatDuration(ms: number): string {
  const unit =
    ['d', 'h', 'min', 's'].find((name) => ms > 0 && ms % (unitMs[name] ?? Number.NaN) === 0) ?? 'ms'
  return `${ms / (unitMs[unit] ?? 1)}${unit}`
}

const timePattern =
  /^(\d{4}-\d{2}-\d{2})(?:T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))?$/

/**
 * Reads a time in ISO 8601 as RFC 3339 narrows it, seconds left out or not: milliseconds since the
 * epoch, or undefined for any other text. A time of day needs a zone; a date alone is its first
 * moment, UTC. Beyond milliseconds, digits are cut off.
 */
export function parseTime(text: string): number | undefined {
  const [, date] = timePattern.exec(text) ?? []
  if (date === undefined || !isOnCalendar(date)) return undefined
  const ms = Date.parse(text)
  return isMoment(ms) ? ms : undefined
}

/** `Date.parse` takes the 31st of a month of 30 days for the 1st of the next. */
function isOnCalendar(date: string): boolean {
  const ms = Date.parse(date)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(date)
}

function isMoment(ms: number): boolean {
  return Number.isSafeInteger(ms) && ms >= 0 && ms <= timeMsMax
}

/**
 * Reads a moment to come as the command line and files of text give it: a duration from now, or a
 * time. Milliseconds since the epoch, or undefined.
 */
export function parseMoment(text: string, now: number): number | undefined {
  const duration = parseDuration(text)
  return duration === undefined ? parseTime(text) : now + duration
}

/**
 * Reads a moment that lies behind, as queries have it: a duration ago, a time, or milliseconds
 * since the epoch in digits. Milliseconds since the epoch, or undefined.
 */
export function parseMomentAgo(text: string, now: number): number | undefined {
  const duration = parseDuration(text)
  if (duration !== undefined) return Math.max(0, now - duration)
  return /^\d{1,15}$/.test(text) ? readNumber(Number(text)) : parseTime(text)
}

/**
 * Reads a moment to come as the library's caller gives it.
 *
 * @returns milliseconds since the epoch, or what is wrong, as the end of a sentence that begins
 *   with where it stood
 */
export function readTime(value: unknown, now: number): number | string {
  return readAny(value, now, parseMoment) ?? expectation(value, 'from now')
}

/** The same for a moment that lies behind: a duration ends now. */
export function readTimeAgo(value: unknown, now: number): number | string {
  return readAny(value, now, parseMomentAgo) ?? expectation(value, 'before now')
}

/** How durations are given to the library, for messages. */
export const durationInputForms: string = `milliseconds, or a duration such as ${durationForms}`

/**
 * Reads a duration as the library's caller gives it: milliseconds, or a text such as `24h`, from 0
 * to a hundred years. Milliseconds, or undefined.
 */
export function readDuration(value: unknown): number | undefined {
  if (typeof value === 'string') return parseDuration(value)
  const isDuration = Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= durationMsMax
  return isDuration ? Number(value) : undefined
}

/**
 * Reads how long something old stays valid beside the new: `overlap`, or `overlapMs` in its place.
 * Milliseconds; undefined where neither is given, NaN for both and for what is no duration.
 */
export function readOverlap({ overlap, overlapMs }: OverlapOptions): number | undefined {
  if (overlap === undefined && overlapMs === undefined) return undefined
  if (overlap !== undefined && overlapMs !== undefined) return Number.NaN
  return readDuration(overlap ?? (typeof overlapMs === 'number' ? overlapMs : undefined)) ?? Number.NaN
}

/** Where an overlap is written, for messages. */
export const oneOverlap = 'as `overlap` or as `overlapMs`, not both'

/** How long something old stays valid beside the new. */
export interface OverlapOptions {
  /** Such as `24h`, or milliseconds. */
  readonly overlap?: string | number | undefined
  /** The same, in milliseconds alone. */
  readonly overlapMs?: number | undefined
}

function expectation(value: unknown, direction: 'from now' | 'before now'): string {
  const expected = `expected a Date, milliseconds since the epoch, a duration ${direction} such as ${durationForms}, or ${timeForms}`
  return typeof value === 'number' && value > 0 && value < momentMsMin
    ? `${expected}; a number this small is one of seconds, or a duration`
    : expected
}

function readAny(value: unknown, now: number, parse: typeof parseMoment): number | undefined {
  if (typeof value === 'string') return parse(value, now)
  if (typeof value === 'number') return readNumber(value, now)
  // Not `instanceof`: test runners and `node:vm` have a `Date` of their own.
  if (Object.prototype.toString.call(value) !== '[object Date]') return undefined
  const ms = Number(value)
  return isMoment(ms) ? ms : undefined
}

/** @param now a clock that a test set near the epoch makes small numbers moments */
function readNumber(ms: number, now: number = momentMsMin): number | undefined {
  const isTooSmall = ms > 0 && ms < momentMsMin && now >= momentMsMin
  return isMoment(ms) && !isTooSmall ? ms : undefined
}
