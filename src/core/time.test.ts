import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from './time.ts'

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
