import { describe, expect, it } from 'vitest'
import { dequantize, quantize } from './quantize.ts'

describe('quantize', () => {
  it('moves no weight by more than half a step, the largest included', () => {
    const weights = Float32Array.from({ length: 64 }, (_, index) => Math.sin(index) * index)
    const quantized = quantize({ weights, bias: 0.5, bits: 6, isSigned: true })
    const back = dequantize(quantized, true)
    for (const [index, weight] of weights.entries()) {
      expect(Math.abs((back.weights[index] as number) - weight)).toBeLessThanOrEqual(quantized.scale * 0.5001)
    }
    expect(Math.max(...quantized.weights.map(Math.abs))).toBe(127)
    expect(back).toMatchObject({ bias: 0.5, bits: 6, isSigned: true })
  })

  it('gives a model without weights a scale that can be read back', () => {
    expect(
      quantize({ weights: new Float32Array(4), bias: 0, bits: 2, isSigned: true }).scale,
    ).toBeGreaterThan(0)
  })
})
