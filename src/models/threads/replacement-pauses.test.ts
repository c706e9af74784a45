import { expect, test } from 'vitest'
import { ReplacementPauses } from './replacement-pauses.ts'

test('inputs that end a host again and again make the others wait a second at most', () => {
  const pauses = new ReplacementPauses()
  const waits = Array.from({ length: 2_000 }, () => pauses.afterBatch())
  expect(waits.slice(0, 5)).toEqual([0, 100, 200, 400, 800])
  expect(Math.max(...waits)).toBe(1_000)
  // Nor do they count when the model cannot be loaded afterwards.
  expect(pauses.afterLoad()).toBe(100)
})

test('a model that cannot be loaded, or ends by itself, is tried less and less often', () => {
  const pauses = new ReplacementPauses()
  expect([pauses.afterEnd(), pauses.afterEnd(), pauses.afterLoad()]).toEqual([0, 100, 400])
  expect(Array.from({ length: 2_000 }, () => pauses.afterLoad()).at(-1)).toBe(30_000)
  pauses.reset()
  expect(pauses.afterEnd()).toBe(0)
})
