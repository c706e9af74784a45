import { expect, test } from 'vitest'
import { disagreementOf, mayJudge } from './agreement.ts'

test('disagreement is the most less the least, over the median', () => {
  expect(disagreementOf([95, 100, 110])).toBeCloseTo(0.15)
})

test('one turn far from four that agree is left out', () => {
  expect(disagreementOf([100, 102, 20, 101, 99])).toBeCloseTo(0.03)
  expect(mayJudge([100, 102, 20, 101, 99])).toBe(true)
})

test('two turns far from the others forbid a verdict', () => {
  expect(mayJudge([100, 102, 20, 101, 60])).toBe(false)
})

test('of fewer than five turns each counts', () => {
  expect(mayJudge([100, 102, 101, 89])).toBe(false)
  expect(mayJudge([100, 102, 101, 93])).toBe(true)
})

test('a single turn, or none, allows no verdict', () => {
  expect(mayJudge([100])).toBe(false)
  expect(mayJudge([])).toBe(false)
})
