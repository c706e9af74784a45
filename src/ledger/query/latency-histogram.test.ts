import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LatencyHistogram } from './latency-histogram.ts'

const shares = [0.5, 0.95, 0.99, 1]

test('quantiles are those of the sorted list, to one percent', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2 ** 40), { minLength: 1 }), (values) => {
      const histogram = new LatencyHistogram()
      for (const value of values) histogram.add(value)
      const sorted = values.toSorted((one, other) => one - other)
      for (const [index, found] of (histogram.quantiles(shares) ?? []).entries()) {
        const exact = sorted[Math.ceil((shares[index] ?? 1) * sorted.length) - 1] ?? 0
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact / 100)
      }
    }),
  )
})

test('numbers around every power of two are counted in their place', () => {
  for (let power = 0; power < 45; power += 1)
    for (const value of [2 ** power - 1, 2 ** power, 2 ** power + 1]) {
      const histogram = new LatencyHistogram()
      histogram.add(value)
      const [found = Number.NaN] = histogram.quantiles([0.5]) ?? []
      expect(Math.abs(found - value), `${value}`).toBeLessThanOrEqual(value < 128 ? 0 : value / 128)
    }
})

test('nothing that was counted has no quantiles', () => {
  expect(new LatencyHistogram().quantiles(shares)).toBeUndefined()
})

test('counted in parts, encoded and added, is what counted at once is', () => {
  const parts = fc.array(fc.array(fc.nat(2 ** 40), { maxLength: 20 }), { maxLength: 200 })
  fc.assert(
    fc.property(parts, fc.nat(200), (all, joined) => {
      const whole = new LatencyHistogram()
      const texts = all.map((values) => {
        const part = new LatencyHistogram()
        for (const value of values) {
          part.add(value)
          whole.add(value)
        }
        return part.encode()
      })
      const added = new LatencyHistogram()
      added.addEncoded(texts.slice(0, joined).join(' '))
      for (const text of texts.slice(joined)) added.addEncoded(text)
      expect(added.quantiles(shares)).toEqual(whole.quantiles(shares))
      expect(added.encode()).toBe(whole.encode())
    }),
  )
})

test.each(['5', '5o', 'ooo01', '5~'])(
  'the text %s, no histogram, is refused, and others stay right',
  (text) => {
    const broken = new LatencyHistogram()
    broken.add(7)
    broken.addEncoded(text)
    expect(() => broken.quantiles(shares)).toThrow(RangeError)
    const other = new LatencyHistogram()
    other.add(3)
    expect(other.quantiles([1])).toEqual([3])
  },
)
