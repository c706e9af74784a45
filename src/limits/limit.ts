import { formatDuration, parseDuration } from '../core/time.ts'

/** How much of a measure may be used, and in which time. */
export type Limit = WindowLimit | CalendarLimit | ConcurrencyLimit

interface MeasuredLimit {
  /**
   * The text as people write it, in its shortest form: `10/min`, `200000 characters/h`. Two limits
   * are the same when it is.
   */
  readonly text: string
  /** What is counted: `requests`, `characters`, `tokens`, or a name of the user's own. */
  readonly measure: string
  /** Most that may be used, a whole number from 1 on. */
  readonly amount: number
}

/** At most `amount` in any window of that length, whenever it begins. */
export interface WindowLimit extends MeasuredLimit {
  readonly kind: 'window'
  readonly windowMs: number
}

/** At most `amount` from one boundary of the calendar to the next, UTC. */
export interface CalendarLimit extends MeasuredLimit {
  readonly kind: 'calendar'
  readonly period: CalendarPeriod
}

/** At most `amount` at the same time. */
export interface ConcurrencyLimit extends MeasuredLimit {
  readonly kind: 'concurrent'
  readonly measure: 'concurrent'
}

/** A stretch of the calendar, UTC. */
export type CalendarPeriod = 'day' | 'month'

/** How limits are written, for messages. */
export const limitForms =
  '`10/min`, `20/10s`, `1000/day`, `200000 characters/h`, `5000/calendar month` or `5 concurrent`'

/** Shortest and longest sliding window, in milliseconds. Longer ones are the calendar's. */
const windowMsMin = 1_000
const windowMsMax = 31 * 86_400_000
/** Largest amount: it and its sum with another are counted exactly in 32 bits. */
export const amountMax = 2_000_000_000
/** A name of a measure. */
export const measurePattern: RegExp = /^[a-z][a-z0-9_]{0,31}$/

/** Windows that have a name of their own. `day` is any 24 hours, not the calendar's. */
const windowNames: Readonly<Record<string, string>> = {
  s: '1s',
  sec: '1s',
  second: '1s',
  min: '1min',
  minute: '1min',
  h: '1h',
  hour: '1h',
  d: '1d',
  day: '1d',
  week: '7d',
}

const form =
  /^(\d{1,10})(?:[ \t]+([a-z][a-z0-9_]{0,31}))?[ \t]*(?:\/[ \t]*(?:(calendar)[ \t]+)?([0-9a-z]{1,20}))?$/

/**
 * Reads a limit as people write it: a number, what is counted (`requests` where nothing is said), a
 * slash, and a window (`min`, `10s`, `24h`) or the calendar's `day` or `month`; or `5 concurrent`.
 *
 * @returns the limit, or what is wrong with the text, as the end of a sentence that begins with
 *   where it stood
 */
export function parseLimit(text: string): Limit | string {
  const [, digits, measure = 'requests', calendar, span] = form.exec(text.trim().toLowerCase()) ?? []
  if (digits === undefined) return `expected a limit such as ${limitForms}`
  const amount = Number(digits)
  if (amount < 1 || amount > amountMax) return `expected an amount from 1 to ${amountMax}`
  if (measure === 'concurrent') {
    if (span !== undefined) return 'expected `concurrent` without a window: it is how many at the same time'
    return { kind: 'concurrent', text: `${amount} concurrent`, measure, amount }
  }
  if (span === undefined) return `expected a window, such as ${amount}/min`
  const counted = measure === 'requests' || measure === 'request' ? 'requests' : measure
  const prefix = counted === 'requests' ? `${amount}` : `${amount} ${counted}`
  if (calendar !== undefined) {
    if (span !== 'day' && span !== 'month') return 'expected `calendar day` or `calendar month`'
    return { kind: 'calendar', text: `${prefix}/calendar ${span}`, measure: counted, amount, period: span }
  }
  if (span === 'month') return 'expected `calendar month`, or a window such as `30d`: months differ in length'
  const windowMs = parseDuration(windowNames[span] ?? span)
  if (windowMs === undefined) return `expected a window such as \`min\`, \`10s\`, \`24h\` or \`30d\``
  if (windowMs < windowMsMin || windowMs > windowMsMax) return 'expected a window from 1s to 31d'
  return { kind: 'window', text: `${prefix}/${formatWindow(windowMs)}`, measure: counted, amount, windowMs }
}

/**
 * What a limit is about, its amount aside: `/min`, `characters/h`, `concurrent`. Undefined for what
 * could not be read.
 */
export function windowOf(limit: Limit | string): string | undefined {
  return typeof limit === 'string' ? undefined : limit.text.replace(/^\d+ ?/, '')
}

/** `1min` is written `min`, and `1d` as people write it: `day`. */
function formatWindow(ms: number): string {
  const text = formatDuration(ms)
  return text === '1d' ? 'day' : text.replace(/^1(?=[a-z])/, '')
}
