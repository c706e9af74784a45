import { expect, test } from 'vitest'
import { flipBits, rounds } from './bit-flips.ts'

// `node test/reliability/bit-flips.ts 1000` flips bits of all files: docs/reliability.md.
test('one flipped bit in the file of the keys, or in its pepper, never makes a wrong decision', async () => {
  const outcome = await flipBits(rounds.keys, 150, 15)
  expect(outcome.wrong).toEqual([])
  expect(outcome.refused + outcome.unavailable).toBeGreaterThan(20)
  expect(outcome.right).toBeGreaterThan(20)
}, 60_000)
