import { describe, expect, it } from 'vitest'
import { formatWeights, parseWeights, type SentimentWeights, WeightsError } from './weights.ts'

const weights: SentimentWeights = {
  polar: { weights: Int8Array.of(1, -2, 127, -127), scale: 0.01, bias: -0.5, temperature: 0.8 },
  neutral: { weights: Int8Array.of(3, -4), scale: 0.02, bias: 0.25, temperature: 1.5 },
  neutralPerPolarLogit: -0.4,
}

function damaged(change: (file: Uint8Array) => void): Uint8Array {
  const file = formatWeights(weights)
  change(file)
  return file
}

describe('weights', () => {
  it('come back as they were written', () => {
    expect(parseWeights(formatWeights(weights))).toEqual(weights)
  })

  it('are written as the same bytes every time', () => {
    expect(formatWeights(weights)).toEqual(formatWeights(weights))
  })

  it('are read at any offset of a larger buffer', () => {
    const file = formatWeights(weights)
    const larger = new Uint8Array(file.length + 3)
    larger.set(file, 3)
    expect(parseWeights(larger.subarray(3))).toEqual(weights)
  })

  it('are refused at every length they may be cut to', () => {
    const file = formatWeights(weights)
    for (let length = 0; length < file.length; length++) {
      expect(() => parseWeights(file.subarray(0, length))).toThrow(/truncated/)
    }
  })

  it('are refused when any single bit is flipped', () => {
    const { length } = formatWeights(weights)
    for (let bit = 0; bit < length * 8; bit++) {
      const file = damaged((bytes) => {
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      })
      expect(() => parseWeights(file), `bit ${bit}`).toThrow(WeightsError)
    }
  })

  it.each([
    ['another kind of file', damaged((file) => file.set([80, 75, 3, 4])), /starts with MWSW, got "PK/],
    ['another version', damaged((file) => file.set([9, 0], 4)), /format version 1, got 9/],
    ['absurd sizes', damaged((file) => file.set([60, 60], 6)), /at most 20 bits per head, got 60 and 60/],
    ['a flipped weight', damaged((file) => file.set([99], 65)), /checksum/],
    ['bytes after the end', new Uint8Array([...formatWeights(weights), 0]), /too long/],
  ])('are refused, saying why and what to do: %s', (_, file, message) => {
    expect(() => parseWeights(file)).toThrow(message)
    expect(() => parseWeights(file)).toThrow(/npm run train/)
  })

  it.each([
    ['scale', Number.NaN],
    ['scale', 0],
    ['temperature', -1],
    ['bias', Number.POSITIVE_INFINITY],
  ])('are refused when the %s is %d though the checksum is right', (field, number) => {
    const file = formatWeights({ ...weights, polar: { ...weights.polar, [field]: number } })
    expect(() => parseWeights(file)).toThrow(/finite/)
  })

  it('are refused when polarity would speak for neutral', () => {
    expect(() => parseWeights(formatWeights({ ...weights, neutralPerPolarLogit: 1 }))).toThrow(/at most 0/)
  })
})
