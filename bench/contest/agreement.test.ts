import { expect, test } from 'vitest'
import { disagreementOf, mayJudge } from './agreement.ts'

test('disagreement is the most less the least, over the median, without the farthest', () => {
  expect(disagreementOf([95, 100, 110, 98, 300])).toBeCloseTo(0.15)
})

test('one turn far from four that agree allows a verdict', () => {
  expect(mayJudge([100, 102, 20, 101, 99])).toBe(true)
})

test('two turns far from the others forbid a verdict', () => {
  expect(mayJudge([100, 102, 20, 101, 60])).toBe(false)
})

test('turns that lie apart by a tenth allow a verdict, by more forbid it', () => {
  expect(mayJudge([95, 100, 100, 105, 100])).toBe(true)
  expect(mayJudge([94, 94, 100, 106, 106])).toBe(false)
})

test('fewer than five turns allow no verdict, however well they agree', () => {
  expect(mayJudge([100, 100, 100, 100])).toBe(false)
  expect(mayJudge([])).toBe(false)
})
