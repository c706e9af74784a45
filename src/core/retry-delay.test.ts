import fc from 'fast-check'
import { expect, test } from 'vitest'
import { retryDelayMs } from './retry-delay.ts'

test('waits lie between nothing and a bound that doubles with each failure, up to the cap', () => {
  const delay = { baseMs: 1_000, capMs: 60_000 }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, at) => {
        const ms = retryDelayMs(failures, delay, () => at)
        expect(Number.isInteger(ms) && ms >= 0).toBe(true)
        expect(ms).toBeLessThan(Math.min(60_000, 1_000 * 2 ** (failures - 1)))
      },
    ),
  )
  const longest = [1, 2, 3, 4, 5, 6, 7, 8].map((failures) => retryDelayMs(failures, delay, () => 0.9999))
  expect(longest).toEqual([999, 1_999, 3_999, 7_999, 15_998, 31_996, 59_994, 59_994])
})
