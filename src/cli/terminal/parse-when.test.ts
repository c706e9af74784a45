import { expect, test } from 'vitest'
import { parseTime, parseWhen, parseWhenAgo } from './parse-when.ts'

test('a duration counts from now', () => {
  expect(parseWhen('--expires', '30d', 1_000)).toBe(30 * 86_400_000 + 1_000)
})

test('where a moment lies behind, a duration counts backwards', () => {
  expect(parseWhenAgo('--since', '24h', 2 * 86_400_000)).toBe(86_400_000)
  expect(parseWhenAgo('--since', '2027-01-31', 0)).toBe(Date.UTC(2027, 0, 31))
  expect(() => parseWhenAgo('--since', 'yesterday', 0)).toThrow(
    /^--since: expected a duration ago, .*, or a time in ISO 8601 .*, got "yesterday"$/,
  )
})

test.each([
  ['2027-01-31', Date.UTC(2027, 0, 31)],
  ['2027-01-31T12:00:00Z', Date.UTC(2027, 0, 31, 12)],
  ['2027-01-31T12:00+02:00', Date.UTC(2027, 0, 31, 10)],
  ['2028-02-29', Date.UTC(2028, 1, 29)],
])('%s is a time', (text, time) => {
  expect(parseTime(text)).toBe(time)
})

test.each(['2027-02-29', '2027-04-31', '2027-01-31T12:00:00', '2027-1-1', 'tomorrow', '1800000000', ''])(
  '%s is refused: not on the calendar, without a zone, or in another form',
  (text) => {
    expect(parseTime(text)).toBeUndefined()
  },
)
