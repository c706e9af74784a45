import { expect, test } from 'vitest'
import { sizeOf } from './input-size.ts'

test('the size of inputs is how many they are, and how many characters and values they have', () => {
  expect(sizeOf(['four', 'five!'])).toBe(2 * 64 + 11)
  expect(sizeOf([{ a: [1, 2, 3], b: 'text' }])).toBe(64 + 10)
  expect(sizeOf([new Float32Array(8)])).toBe(64 + 33)
})

test('what holds itself, and what is huge, is measured in a bounded time', () => {
  const cycle: unknown[] = []
  for (let at = 0; at < 10; at += 1) cycle.push(cycle)
  expect(sizeOf([cycle])).toBe(64 + 2 ** 20)
  expect(sizeOf([new Array(5_000_000).fill(0)])).toBe(64 + 2 ** 20)
})
