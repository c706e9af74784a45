import { expect, test } from 'vitest'
import { flipBits, rounds } from './bit-flips.ts'

// `node test/reliability/bit-flips.ts 1000` flips bits of all files: docs/reliability.md.
test('one flipped bit in the file of the keys, or in its pepper, never makes a wrong decision', async () => {
  const outcome = await flipBits(rounds.keys, 150, 15)
  expect(outcome.wrong).toEqual([])
  expect(outcome.refused + outcome.unavailable).toBeGreaterThan(20)
  expect(outcome.right).toBeGreaterThan(20)
})

test('nor does one in the file of the jobs: no input, result, webhook or kept answer is another', async () => {
  const outcome = await flipBits(rounds.jobs, 40, 7)
  expect(outcome.wrong).toEqual([])
  expect(outcome.refused + outcome.unavailable).toBeGreaterThan(5)
  expect(outcome.right).toBeGreaterThan(5)
}, 240_000)
