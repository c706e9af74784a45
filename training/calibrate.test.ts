import { describe, expect, it } from 'vitest'
import { sigmoid } from '../src/models/sentiment/sentiment-model.ts'
import { fitCoefficients } from './calibrate.ts'
import { createRandom } from './random.ts'

/** Scores and answers drawn so that p = σ(intercept + slope · score). */
function draw(slope: number, intercept: number): { scores: Float64Array; answers: Uint8Array } {
  const random = createRandom(11)
  const scores = Float64Array.from({ length: 20_000 }, () => random() * 6 - 3)
  return {
    scores,
    answers: Uint8Array.from(scores, (score) => Number(random() < sigmoid(intercept + slope * score))),
  }
}

describe('fitCoefficients', () => {
  it.each([0.4, 1, 2.5])('finds the temperature %d that the answers were drawn with', (slope) => {
    const { scores, answers } = draw(slope, 0)
    const [found] = fitCoefficients([scores], answers)
    expect(Math.abs((found as number) / slope - 1)).toBeLessThan(0.05)
  })

  it('finds an intercept beside it', () => {
    const { scores, answers } = draw(1.2, -0.7)
    const [intercept, slope] = fitCoefficients([new Float64Array(scores.length).fill(1), scores], answers)
    // Three standard errors of 20,000 draws.
    expect(Math.abs((intercept as number) + 0.7)).toBeLessThan(0.07)
    expect(Math.abs((slope as number) - 1.2)).toBeLessThan(0.06)
  })

  it('stays finite where the answers can be told apart perfectly', () => {
    const found = fitCoefficients([Float64Array.of(-2, -1, 1, 2)], Uint8Array.of(0, 0, 1, 1))
    expect(found.every(Number.isFinite)).toBe(true)
    expect(found[0]).toBeGreaterThan(1)
  })

  it('stays finite on scores so large that the curvature vanishes', () => {
    const found = fitCoefficients([Float64Array.of(-900, 800, 700, -600)], Uint8Array.of(0, 1, 0, 1))
    expect(found.every(Number.isFinite)).toBe(true)
  })

  it('answers zero without rows', () => {
    expect(fitCoefficients([new Float64Array(0)], new Uint8Array(0))).toEqual([0])
  })
})
