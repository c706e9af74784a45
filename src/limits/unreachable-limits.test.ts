import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findUnreachableLimits } from './unreachable-limits.ts'

test.each([
  [['1000/min', '10/h'], [['1000/min', '10/h']]],
  [['10/min', '10/h'], [['10/min', '10/h']]],
  [['10/min', '100/h'], []],
  [['1000 tokens/min', '10/h'], []],
  [['50/calendar day', '50/calendar month'], [['50/calendar day', '50/calendar month']]],
  // Ten before midnight and ten after it are twenty within an hour.
  [['20/h', '10/calendar day'], []],
  [['1000/min', 'shadow 10/h'], []],
  [['shadow 1000/min', '10/h'], [['shadow 1000/min', '10/h']]],
  [['5 concurrent', '1/h'], []],
  [['nonsense', '10/h'], []],
] as const)('of %j these can never be reached: %j', (limits, expected) => {
  expect(findUnreachableLimits(limits).map(({ limit, reached_first }) => [limit, reached_first])).toEqual(
    expected,
  )
})

test('a limit of which more is left is reached: never does each of two keep the other below', () => {
  const limit = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom('min', 'h', 'day'))
  fc.assert(
    fc.property(limit, limit, ([a, per], [b, other]) => {
      fc.pre(per !== other)
      expect(findUnreachableLimits([`${a}/${per}`, `${b}/${other}`]).length).toBeLessThan(2)
    }),
  )
})
