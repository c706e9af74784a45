import { describe, expect, it } from 'vitest'
import type { Sentiment } from '../src/models/sentiment/sentiment.ts'
import { expectedCalibrationError, measure } from './measures.ts'

const sure = (sentiment: Sentiment['sentiment']): Sentiment => ({
  sentiment,
  confidence: 1,
  scores: { positive: 0, negative: 0, neutral: 0, [sentiment]: 1 },
})
const wavering: Sentiment = {
  sentiment: 'neutral',
  confidence: 0.5,
  scores: { positive: 0.3, negative: 0.2, neutral: 0.5 },
}

describe('measure', () => {
  it('forces the choice between positive and negative, whatever neutral got', () => {
    const measures = measure([wavering, wavering], [2, 0])
    expect(measures).toMatchObject({ polarCount: 2, accuracy: 0.5, neutralShare: 1 })
    expect(measures.threeClass).toBeUndefined()
    expect(measures.calibrationError).toBeCloseTo(0.1, 12)
  })

  it('counts neutral texts in the three-class measures alone', () => {
    const measures = measure([sure('positive'), sure('negative'), wavering, wavering], [2, 0, 1, 0])
    expect(measures.polarCount).toBe(3)
    expect(measures.threeClass?.count).toBe(4)
    expect(measures.threeClass?.accuracy).toBe(0.75)
    // F1: positive 1, negative 2/3, neutral 2/3
    expect(measures.threeClass?.macroF1).toBeCloseTo((1 + 2 / 3 + 2 / 3) / 3, 12)
  })
})

describe('expectedCalibrationError', () => {
  it('is zero where confidence equals accuracy', () => {
    expect(expectedCalibrationError([0.75, 0.75, 0.75, 0.75], [true, true, true, false], 0.5)).toBeCloseTo(
      0,
      12,
    )
  })

  it('does not let one bin make up for another', () => {
    expect(expectedCalibrationError([0.9, 0.6], [false, true], 0.5)).toBeCloseTo(0.65, 12)
  })
})
