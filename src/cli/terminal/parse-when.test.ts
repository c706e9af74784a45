import { expect, test } from 'vitest'
import { parseExpiry, parseHowLong, parseWhen, parseWhenAgo } from './parse-when.ts'

test('a duration counts from now', () => {
  expect(parseWhen('--not-before', '30d', 1_000)).toEqual(new Date(30 * 86_400_000 + 1_000))
})

test('where a moment lies behind, a duration counts backwards', () => {
  expect(parseWhenAgo('--since', '24h', 2 * 86_400_000)).toBe(86_400_000)
  expect(parseWhenAgo('--since', '2027-01-31', 0)).toBe(Date.UTC(2027, 0, 31))
})

test.each([
  [() => parseWhen('--not-before', 'soon', 0), 'a duration from now, .*, or a time in ISO 8601 .*'],
  [() => parseExpiry('soon', 0), 'a duration from now, .*, or a time in ISO 8601 .*'],
  [() => parseExpiry('0d', 0), 'a time to come'],
  [() => parseWhenAgo('--since', 'soon', 0), 'a duration ago, .*, or a time in ISO 8601 .*'],
  [() => parseHowLong('--overlap', 'soon'), 'a duration, .*'],
])('%o says what was expected: %s', (parse, expected) => {
  expect(parse).toThrow(new RegExp(`^--[a-z-]+: expected ${expected}(?:, got "soon")?$`))
})
