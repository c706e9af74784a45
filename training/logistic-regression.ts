import { negativeBit } from '../src/models/sentiment/features.ts'
import { sigmoid } from '../src/models/sentiment/sentiment-model.ts'
import type { FeatureMatrix } from './feature-matrix.ts'
import { createRandom, shuffle } from './random.ts'

/** How to fit; see `fitLogisticRegression` for what each does. */
export interface FitOptions {
  /** Passes over the examples. */
  readonly epochs: number
  /** Step size before AdaGrad divides it. */
  readonly learningRate: number
  /** Pull towards zero, on the weights an example touches. */
  readonly l2: number
  /** Order of the examples. */
  readonly seed: number
  /** log2 of the number of weights; buckets beyond are folded onto them. */
  readonly bits: number
  /** Whether a negated feature counts −1 rather than +1. */
  readonly isSigned: boolean
}

/** A fitted line: score = bias + Σ value · weight / √features. */
export interface LinearModel {
  readonly weights: Float32Array
  readonly bias: number
  readonly bits: number
  readonly isSigned: boolean
}

/** Start of the accumulator: bounds the first step of a weight at ten times the learning rate. */
const accumulatorStart = 0.01

/** The bias moves a tenth as far as a weight: every example touches it. It must not oscillate. */
const biasRate = 0.1

/**
 * Fits logistic regression by stochastic gradient steps with AdaGrad
 * (Duchi, Hazan and Singer, "Adaptive Subgradient Methods", JMLR 2011), single-threaded so that a
 * seed determines every bit.
 *
 * @param targets 1 where a row belongs to the class, 0 elsewhere; one per row
 * @param importance how much a row counts, ≥ 0; a row of 0 is skipped; one per row
 */
export function fitLogisticRegression(
  matrix: FeatureMatrix,
  targets: Uint8Array,
  importance: Float32Array,
  options: FitOptions,
): LinearModel {
  const { bits, isSigned, learningRate, l2 } = options
  const mask = 2 ** bits - 1
  const weights = new Float32Array(2 ** bits)
  const squares = new Float32Array(2 ** bits).fill(accumulatorStart)
  const random = createRandom(options.seed)
  const order = Uint32Array.from({ length: matrix.rowCount }, (_, row) => row).filter(
    (row) => importance[row] !== 0,
  )
  const { starts, features } = matrix
  let bias = 0
  let biasSquares = 1
  for (let epoch = 0; epoch < options.epochs; epoch++) {
    shuffle(order, random)
    for (const row of order) {
      const start = starts[row] as number
      const end = starts[row + 1] as number
      if (start === end) continue
      const value = 1 / Math.sqrt(end - start)
      let sum = 0
      for (let at = start; at < end; at++) {
        const feature = features[at] as number
        const weight = weights[feature & mask] as number
        sum += isSigned && feature >= negativeBit ? -weight : weight
      }
      const probability = sigmoid(sum * value + bias)
      const slope = (probability - (targets[row] as number)) * (importance[row] as number)
      biasSquares += slope * slope
      bias -= (learningRate * biasRate * slope) / Math.sqrt(biasSquares)
      for (let at = start; at < end; at++) {
        const feature = features[at] as number
        const bucket = feature & mask
        const towards = isSigned && feature >= negativeBit ? -slope * value : slope * value
        const gradient = towards + l2 * (weights[bucket] as number)
        const square = (squares[bucket] as number) + gradient * gradient
        squares[bucket] = square
        weights[bucket] = (weights[bucket] as number) - (learningRate * gradient) / Math.sqrt(square)
      }
    }
  }
  return { weights, bias, bits, isSigned }
}

/** The score of every row, in logits. */
export function scoreRows(model: LinearModel, matrix: FeatureMatrix): Float64Array {
  const mask = 2 ** model.bits - 1
  const scores = new Float64Array(matrix.rowCount)
  for (let row = 0; row < matrix.rowCount; row++) {
    const start = matrix.starts[row] as number
    const end = matrix.starts[row + 1] as number
    let sum = 0
    for (let at = start; at < end; at++) {
      const feature = matrix.features[at] as number
      const weight = model.weights[feature & mask] as number
      sum += model.isSigned && feature >= negativeBit ? -weight : weight
    }
    scores[row] = model.bias + (start === end ? 0 : sum / Math.sqrt(end - start))
  }
  return scores
}
