import { expect, test } from 'vitest'
import { usesOf } from '../limits/limit-uses.ts'
import { checkDemand } from './check-demand.ts'
import { demandLimitsOf } from './request-limits.ts'

test('a demand that two others need is counted once, and demands of one name share their limits', () => {
  const shared = { limits: ['5/h'] }
  const demand = { needs: [{ needs: [shared] }, { needs: [shared], limits: ['1/min'] }] }
  expect(demandLimitsOf(demand, 'a').map(({ setting }) => setting.text)).toEqual(['5/h', '1/min'])
  const [one, other] = [
    { name: 'report', limits: ['5/h'] },
    { name: 'report', limits: ['5/h'] },
  ]
  expect(demandLimitsOf({ needs: [one, other] }, 'a')).toHaveLength(1)
})

test('each key counts by itself, and a demand without a name shares with no other', () => {
  const names = ([{ limits: ['5/h'] }, { limits: ['5/h'] }] as const).flatMap((demand) =>
    ['a', 'b'].flatMap((key) => usesOf(demandLimitsOf(demand, key)).map(({ name }) => name)),
  )
  expect(new Set(names).size).toBe(4)
})

test.each([
  [{ tokens: -1 }, 'guard: `cost.tokens`: expected a whole number from 0 on, got -1'],
  [{ tokens: 5, characters: '7' }, 'guard: `cost.characters`: expected a whole number from 0 on, got "7"'],
  [
    [5],
    'guard: `cost`: expected an object of whole numbers from 0 on, by measure: `{ tokens: 500 }`, got an array',
  ],
])('a wrong cost, %j, is named with what was expected', (cost, message) => {
  expect(() => checkDemand('guard', { cost })).toThrow(message)
})
