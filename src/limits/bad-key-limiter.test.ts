import { expect, test } from 'vitest'
import { createBadKeys } from './bad-key-limiter.ts'
import { parseLimit, type WindowLimit } from './limit.ts'

const limit = parseLimit('3/min') as WindowLimit

test('an address may be wrong so often in any minute, and is then told how long it must wait', () => {
  let now = 0
  const badKeys = createBadKeys(limit, () => now)
  for (const at of [0, 10_000, 20_000]) {
    now = at
    expect(badKeys.count('192.0.2.1')).toBeUndefined()
  }
  expect(badKeys.count('192.0.2.1')).toBe(40_000)
  expect(badKeys.count('192.0.2.2')).toBeUndefined()
  now = 60_000
  expect(badKeys.count('192.0.2.1')).toBeUndefined()
  expect(badKeys.count('192.0.2.1')).toBe(10_000)
})

test('a million addresses are remembered in bounded memory, and the busy one among them is not forgotten', () => {
  const badKeys = createBadKeys(limit, () => 0)
  for (let wrong = 0; wrong < 3; wrong += 1) badKeys.count('192.0.2.1')
  for (let number = 0; number < 1_000_000; number += 1) {
    badKeys.count(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`)
    if (number % 10_000 === 0) expect(badKeys.count('192.0.2.1')).toBe(60_000)
  }
  expect(badKeys.size()).toBeLessThanOrEqual(32_768)
})

test('where no limit is set nobody is counted', () => {
  const badKeys = createBadKeys(undefined, () => 0)
  for (let wrong = 0; wrong < 100; wrong += 1) expect(badKeys.count('192.0.2.1')).toBeUndefined()
  expect(badKeys.size()).toBe(0)
})
