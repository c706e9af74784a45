import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testUpstream } from '../../../test/support/test-upstream.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import { createUpstreamPlaces } from './upstream-places.ts'

const upstreamOf = (connectionsMax: number): Upstream =>
  ({ settings: testUpstream({ preset: 'vllm', connectionsMax }) }) as Partial<Upstream> as Upstream

test('one owner alone comes to half of the places, and the next one to half of the rest', () => {
  const places = createUpstreamPlaces()
  const upstream = upstreamOf(8)
  const count = (owner: string): number => {
    let taken = 0
    while (places.take(upstream, owner) !== undefined) taken += 1
    return taken
  }
  expect([count('a'), count('b'), count('c'), count('a')]).toEqual([4, 2, 1, 0])
})

test('a place that is given back twice is one place', () => {
  const places = createUpstreamPlaces()
  const upstream = upstreamOf(2)
  const giveBack = places.take(upstream, 'a')
  expect(places.take(upstream, 'a')).toBeUndefined()
  giveBack?.()
  giveBack?.()
  expect(places.take(upstream, 'a')).toBeDefined()
  expect(places.take(upstream, 'a')).toBeUndefined()
})

test('there are never more than the upstream has, and all come back', () => {
  const step = fc.record({ owner: fc.constantFrom('a', 'b', 'c'), gives: fc.boolean() })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 200 }), (most, steps) => {
      const places = createUpstreamPlaces()
      const upstream = upstreamOf(most)
      const held: (() => void)[] = []
      for (const { owner, gives } of steps) {
        if (gives) held.shift()?.()
        else {
          const giveBack = places.take(upstream, owner)
          if (giveBack !== undefined) held.push(giveBack)
        }
        expect(held.length).toBeLessThanOrEqual(most)
      }
      for (const giveBack of held) giveBack()
      expect(places.take(upstream, 'd')).toBeDefined()
    }),
  )
})
