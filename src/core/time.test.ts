import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatDuration, parseDuration, parseMoment, parseMomentAgo, parseTime, readTime } from './time.ts'

const day = 86_400_000
const now = Date.UTC(2026, 0, 1)
const lastMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['90s', 90_000],
    ['15min', 900_000],
    ['24h', 86_400_000],
    ['30d', 2_592_000_000],
    ['0s', 0],
  ])('%s is %i milliseconds', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each([
    '',
    '5',
    's',
    '-1s',
    '1.5h',
    '1 h',
    '1H',
    '1m',
    '1h30min',
    '١s',
    '40000d',
    `${'9'.repeat(20)}s`,
    ' 1s',
    '1s\n',
  ])('%j is no duration', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  test('what is written is read back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3_000_000_000_000 }),
        (ms) => parseDuration(formatDuration(ms)) === ms,
      ),
    )
  })
})

const two = (number: number): string => String(number).padStart(2, '0')
const daysOf = (year: number, month: number): number => {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0
}

describe('times', () => {
  test.each([
    ['2027-01-31', Date.UTC(2027, 0, 31)],
    ['2027-01-31T12:00:00Z', Date.UTC(2027, 0, 31, 12)],
    ['2027-01-31T12:00:00.5Z', Date.UTC(2027, 0, 31, 12, 0, 0, 500)],
    ['2027-01-31T12:00:00.123999Z', Date.UTC(2027, 0, 31, 12, 0, 0, 123)],
    ['2027-01-31T12:00+02:00', Date.UTC(2027, 0, 31, 10)],
    ['2028-02-29', Date.UTC(2028, 1, 29)],
    ['1970-01-01', 0],
    ['9999-12-31T23:59:59.999Z', lastMs],
  ])('%s is a time', (text, ms) => {
    expect(parseTime(text)).toBe(ms)
  })

  test.each([
    ['2027-02-29', 'not on the calendar'],
    ['2027-04-31', 'not on the calendar'],
    ['2027-13-01', 'not on the calendar'],
    ['2027-01-00', 'not on the calendar'],
    ['2027-01-31T24:00:00Z', 'the next day at 00:00'],
    ['2027-01-31T12:00:60Z', 'a leap second'],
    ['2027-01-31T12:00:00', 'without a zone'],
    ['2027-01-31T12:00:00+24:00', 'not a zone'],
    ['2027-01-31Z', 'a date with a zone'],
    ['2027-01-31 12:00:00Z', 'without a T'],
    ['2027-01-31t12:00:00z', 'in small letters'],
    ['2027-1-1', 'with digits left out'],
    ['2027-01-31\n', 'with a line end'],
    ['1969-12-31', 'before the epoch'],
    ['9999-12-31T23:59:59-01:00', 'in the year 10000'],
    ['+010000-01-01', 'in the year 10000'],
    ['1800000000', 'a number'],
    ['tomorrow', 'a word'],
    ['', 'nothing'],
  ])('%j is not read as a time: %s', (text) => {
    expect(parseTime(text)).toBeUndefined()
  })

  test('what is shown is read back to the millisecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: lastMs }), (ms) => parseTime(new Date(ms).toISOString()) === ms),
    )
  })

  test('a day is one where its month has it, and each moment of it is between its 00:00 and the next', () => {
    const [year, month, date] = [
      fc.integer({ min: 1970, max: 9998 }),
      fc.integer({ min: 0, max: 13 }),
      fc.integer({ min: 0, max: 32 }),
    ]
    fc.assert(
      fc.property(year, month, date, fc.integer({ min: 0, max: 1_439 }), (y, m, d, minute) => {
        const text = `${y}-${two(m)}-${two(d)}`
        const time = `${text}T${two(Math.floor(minute / 60))}:${two(minute % 60)}Z`
        const begin = d >= 1 && d <= daysOf(y, m) ? Date.UTC(y, m - 1, d) : undefined
        expect(parseTime(text)).toBe(begin)
        expect(parseTime(time)).toBe(begin === undefined ? undefined : begin + minute * 60_000)
      }),
      { numRuns: 1_000 },
    )
  })

  test('one moment in any zone is one number', () => {
    const moment = fc.integer({ min: day, max: lastMs - day }).map((ms) => ms - (ms % 1_000))
    fc.assert(
      fc.property(moment, fc.integer({ min: -1_439, max: 1_439 }), (ms, offset) => {
        const local = new Date(ms + offset * 60_000).toISOString().slice(0, 19)
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
        expect(parseTime(`${local}${zone}`)).toBe(ms)
      }),
    )
  })
})

/** Texts near those that are read, and some that are. */
const nearTexts = fc.oneof(
  fc.string(),
  fc.stringMatching(/^[0-9]{0,16}(?:ms|s|min|h|d|m|y|T|Z|-)?$/),
  fc.stringMatching(/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?)?$/),
)

test('no text has two readings: it is a duration, a time, milliseconds, or nothing', () => {
  fc.assert(
    fc.property(nearTexts, (text) => {
      const duration = parseDuration(text)
      const time = parseTime(text)
      expect(duration === undefined || time === undefined).toBe(true)
      expect(parseMoment(text, now)).toBe(duration === undefined ? time : now + duration)
      const digits = /^\d+$/.test(text)
      if (!digits)
        expect(parseMomentAgo(text, now)).toBe(duration === undefined ? time : Math.max(0, now - duration))
      else expect([duration, time, parseMoment(text, now)]).toEqual([undefined, undefined, undefined])
    }),
    { numRuns: 2_000 },
  )
})

describe('a moment as the library takes it', () => {
  test.each([
    [new Date(now), now],
    [runInNewContext(`new Date(${now})`), now],
    [now, now],
    [0, 0],
    ['90d', now + 90 * day],
    ['2027-01-31', Date.UTC(2027, 0, 31)],
    ['2027-01-31T12:00:00+02:00', Date.UTC(2027, 0, 31, 10)],
  ])('%o is %i', (value, ms) => {
    expect(readTime(value, now)).toBe(ms)
  })

  test.each([
    new Date(Number.NaN),
    new Date(-1),
    new Date(lastMs + 1),
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1,
    now + 0.5,
    lastMs + 1,
    '90 days',
    '90D',
    'never',
    '',
    String(now),
    BigInt(now),
    true,
    {},
    { [Symbol.toStringTag]: 'Date' },
    [now],
    undefined,
  ])('%o is refused, and every form is named', (value) => {
    const said = readTime(value, now)
    for (const form of ['Date', 'milliseconds', '`30d`', '`2027-01-31`', '`2027-01-31T12:00:00Z`'])
      expect(said).toContain(form)
  })

  test.each([
    ['seconds', now / 1_000 + 3_600],
    ['a duration', 90 * day],
  ])('%s in place of milliseconds since the epoch are refused, which says so', (_, value) => {
    expect(readTime(value, now)).toMatch(/a number this small is one of seconds, or a duration$/)
    expect(parseMomentAgo(String(value), now)).toBeUndefined()
  })

  test('under a clock near the epoch, which a test set, small numbers are moments', () => {
    expect(readTime(2_000, 1_000)).toBe(2_000)
  })
})

test('a duration ago ends at the epoch', () => {
  expect(parseMomentAgo('24h', now)).toBe(now - day)
  expect(parseMomentAgo('36500d', now)).toBe(0)
  expect(parseMomentAgo(String(now), now)).toBe(now)
  expect(parseMomentAgo('0', now)).toBe(0)
})
