import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createGenerations } from './generations.ts'

const max = 8

test('holds what was looked at among the last half of its keys, never more than it may, and forgets each value once', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (keys) => {
      const forgotten: number[] = []
      const held = createGenerations<number>(max, (value) => forgotten.push(value))
      const latest = new Map<number, number>()
      let created = 0
      for (const [index, key] of keys.entries()) {
        const value = held.get(`${key}`, () => {
          created += 1
          return created
        })
        const since = new Set(keys.slice(keys.lastIndexOf(key, index - 1) + 1, index))
        if (latest.has(key) && since.size < max / 2) expect(value).toBe(latest.get(key))
        latest.set(key, value)
        expect(forgotten).not.toContain(value)
        expect(held.size()).toBeLessThanOrEqual(max)
      }
      expect(new Set(forgotten).size).toBe(forgotten.length)
      expect(held.size() + forgotten.length).toBe(created)
    }),
  )
})
