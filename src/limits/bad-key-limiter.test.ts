import { expect, test } from 'vitest'
import { createBadKeyLimiter } from './bad-key-limiter.ts'
import { parseLimit, type WindowLimit } from './limit.ts'

const limit = parseLimit('3/min') as WindowLimit

test('an address may be wrong so often in any minute, and is then told how long it must wait', () => {
  let now = 0
  const badKeyLimiter = createBadKeyLimiter(limit, () => now)
  for (const at of [0, 10_000, 20_000]) {
    now = at
    expect(badKeyLimiter.count('192.0.2.1')).toBeUndefined()
  }
  expect(badKeyLimiter.count('192.0.2.1')).toBe(40_000)
  expect(badKeyLimiter.count('192.0.2.2')).toBeUndefined()
  now = 60_000
  expect(badKeyLimiter.count('192.0.2.1')).toBeUndefined()
  expect(badKeyLimiter.count('192.0.2.1')).toBe(10_000)
})

test('a million addresses are remembered in bounded memory, and the busy one among them is not forgotten', () => {
  const badKeyLimiter = createBadKeyLimiter(limit, () => 0)
  for (let wrong = 0; wrong < 3; wrong += 1) badKeyLimiter.count('192.0.2.1')
  for (let number = 0; number < 1_000_000; number += 1) {
    badKeyLimiter.count(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`)
    if (number % 10_000 === 0) expect(badKeyLimiter.count('192.0.2.1')).toBe(60_000)
  }
  expect(badKeyLimiter.size()).toBeLessThanOrEqual(32_768)
})

test('where no limit is set no address is counted', () => {
  const badKeyLimiter = createBadKeyLimiter(undefined, () => 0)
  for (let wrong = 0; wrong < 100; wrong += 1) expect(badKeyLimiter.count('192.0.2.1')).toBeUndefined()
  expect(badKeyLimiter.size()).toBe(0)
})
