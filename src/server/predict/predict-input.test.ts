import { expect, test } from 'vitest'
import { prefersAsync } from './predict-input.ts'

test.each([
  'respond-async',
  'Respond-Async',
  'wait=10, respond-async',
  'respond-async, wait=10',
  'respond-async; foo="a,b"',
  'return=minimal,\trespond-async',
  'respond-async=""',
  'x="a, b", respond-async',
  'x="\\", y", respond-async',
])('Prefer: %s asks to be answered later', (header) => {
  expect(prefersAsync(header)).toBe(true)
})

test.each([
  undefined,
  '',
  'wait=10',
  'return=minimal',
  'respond-async=no',
  'respond-asynchronously',
  'not-respond-async',
  'x="respond-async"',
  'x="a, respond-async"',
  'x="a, respond-async',
  'x; respond-async',
  ',,,',
])('Prefer: %s does not', (header) => {
  expect(prefersAsync(header)).toBe(false)
})

test('a header as long as may be is read in no time', () => {
  const begun = performance.now()
  for (const part of ['"', '\\', ',', '"\\', 'respond-async=', ' ']) prefersAsync(part.repeat(16_384))
  expect(performance.now() - begun).toBeLessThan(500)
})
