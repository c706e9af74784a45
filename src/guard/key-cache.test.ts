import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createKeyCache, type VerifiedKey } from './key-cache.ts'

function keyOf(id: string): VerifiedKey {
  return { record: { id } } as VerifiedKey
}

function open(keysMax = 10, leaseMs = 5_000) {
  const time = { now: 0 }
  const cache = createKeyCache({ keysMax, leaseMs, monotonic: () => time.now })
  return { cache, time }
}

describe('the key cache', () => {
  test('answers nothing before the store has been heard', () => {
    const { cache } = open()
    cache.add('d', keyOf('a'), cache.mark())
    expect(cache.find('d')).toBeUndefined()
    cache.renew(0, [])
    expect(cache.find('d')).toBeDefined()
  })

  test('is trusted for the lease after the store was last heard, and no longer', () => {
    const { cache, time } = open()
    cache.renew(0, [])
    cache.add('d', keyOf('a'), cache.mark())
    time.now = 5_000
    expect(cache.find('d')).toBeDefined()
    time.now = 5_001
    expect(cache.find('d')).toBeUndefined()
    cache.renew(5_001, [])
    expect(cache.find('d')).toBeDefined()
  })

  test('an answer that was long under way renews the lease only from when it was asked', () => {
    const { cache, time } = open()
    cache.renew(0, [])
    cache.add('d', keyOf('a'), cache.mark())
    time.now = 6_000
    cache.renew(500, [])
    expect(cache.find('d')).toBeUndefined()
  })

  test('drops a changed key under every text, and no other', () => {
    const { cache } = open()
    cache.renew(0, [])
    cache.add('old secret', keyOf('a'), cache.mark())
    cache.add('new secret', keyOf('a'), cache.mark())
    cache.add('other', keyOf('b'), cache.mark())
    cache.renew(1, ['a'])
    expect(cache.find('old secret')).toBeUndefined()
    expect(cache.find('new secret')).toBeUndefined()
    expect(cache.find('other')).toBeDefined()
    cache.renew(2, 'all')
    expect(cache.find('other')).toBeUndefined()
  })

  test('does not keep what was read before a change and added after it', () => {
    const { cache } = open()
    cache.renew(0, [])
    const mark = cache.mark()
    cache.renew(1, ['a'])
    cache.add('d', keyOf('a'), mark)
    expect(cache.find('d')).toBeUndefined()
  })

  test('never holds more than its bound, and never answers with another key', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 9 }),
        fc.array(fc.tuple(fc.boolean(), fc.nat(20)), { maxLength: 200 }),
        (keysMax, steps) => {
          const { cache } = open(keysMax)
          cache.renew(0, [])
          for (const [isAdding, number] of steps) {
            const id = String(number)
            if (isAdding) cache.add(id, keyOf(id), cache.mark())
            else expect([undefined, id]).toContain(cache.find(id)?.record.id)
            expect(cache.size()).toBeLessThanOrEqual(keysMax)
          }
        },
      ),
    )
  })

  test('keeps a key that is used while a flood of others passes through', () => {
    const { cache } = open(10)
    cache.renew(0, [])
    cache.add('used', keyOf('used'), cache.mark())
    for (let other = 0; other < 1_000; other += 1) {
      cache.add(`other ${other}`, keyOf('other'), cache.mark())
      expect(cache.find('used')).toBeDefined()
    }
  })
})
