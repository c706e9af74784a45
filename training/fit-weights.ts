import { bucketBits } from '../src/models/sentiment/features.ts'
import type { SentimentWeights } from '../src/models/sentiment/weights.ts'
import { fitCoefficients } from './calibrate.ts'
import type { Example } from './examples.ts'
import { createFeatureMatrix, type FeatureMatrix } from './feature-matrix.ts'
import { type FitOptions, fitLogisticRegression, scoreRows } from './logistic-regression.ts'
import { dequantize, type QuantizedModel, quantize } from './quantize.ts'
import { neutralTargets, polarTargets, type Targets } from './targets.ts'

/**
 * Bits of the neutral head: an eighth of the buckets, so the file stays at 1.2 MB. Twice as many
 * were no better on sst3_dev.
 */
const neutralBits = 17

const shared = { epochs: 5, learningRate: 0.3, l2: 1e-5 } as const

/** Overrides of the defaults; smaller heads make tests fast. */
export interface FitWeightsOptions {
  readonly seed: number
  /** log2 of the polar head's weights. @default 20 */
  readonly polarBits?: number
  /** log2 of the neutral head's weights. @default 17 */
  readonly neutralBits?: number
}

/** One of the two questions, with the data to fit its answer. */
interface HeadPlan {
  readonly targets: Targets
  readonly fit: FitOptions
}

/**
 * Fits both heads, rounds them to int8 and calibrates them.
 * Each head is fitted twice: without the validation examples, to calibrate its confidence, and with
 * them, to be shipped.
 */
export function fitWeights(examples: readonly Example[], options: FitWeightsOptions): SentimentWeights {
  const { seed } = options
  const matrix = createFeatureMatrix(examples.map(({ text }) => text))
  const polar: HeadPlan = {
    targets: polarTargets(examples),
    fit: { ...shared, seed, bits: options.polarBits ?? bucketBits, isSigned: true },
  }
  const neutral: HeadPlan = {
    targets: neutralTargets(examples),
    fit: { ...shared, seed, bits: options.neutralBits ?? neutralBits, isSigned: false },
  }
  const calibration = calibrate(matrix, polar, neutral, examples)
  const shippedPolar = fitHead(matrix, polar.targets, polar.fit)
  const shippedNeutral = fitHead(matrix, neutral.targets, neutral.fit)
  return {
    polar: { ...shippedPolar, temperature: calibration.polarTemperature },
    neutral: {
      ...shippedNeutral,
      bias: shippedNeutral.bias + calibration.neutralIntercept / calibration.neutralTemperature,
      temperature: calibration.neutralTemperature,
    },
    neutralPerPolarLogit: calibration.neutralPerPolarLogit,
  }
}

/** Turns the scores of the two heads into probabilities. */
interface Calibration {
  readonly polarTemperature: number
  readonly neutralIntercept: number
  readonly neutralTemperature: number
  readonly neutralPerPolarLogit: number
}

/** A smaller slope would mean that the validation examples are too few to calibrate on. */
const smallestTemperature = 0.01

function calibrate(
  matrix: FeatureMatrix,
  polar: HeadPlan,
  neutral: HeadPlan,
  examples: readonly Example[],
): Calibration {
  const [polarScores, neutralScores] = [polar, neutral].map(({ targets, fit }) => {
    const head = fitHead(matrix, withoutValidation(targets, examples), fit)
    return scoreRows(dequantize(head, fit.isSigned), matrix)
  }) as [Float64Array, Float64Array]

  // Temperature only: an intercept would fit the share of positive texts in these corpora, and cost
  // a point elsewhere.
  const polarRows = validationRows(polar.targets, examples)
  const [polarSlope = 1] = fitCoefficients(
    [pick(polarScores, polarRows)],
    pick(polar.targets.answers, polarRows),
  )
  const polarTemperature = Math.max(smallestTemperature, polarSlope)

  // Neutral is rarer than the balanced fit assumed, so the intercept is fitted too, together with
  // the coefficient for polarity.
  const neutralRows = validationRows(neutral.targets, examples)
  const polarSizes = polarScores.map((score) => -Math.abs(score * polarTemperature))
  const ones = new Float64Array(neutralRows.length).fill(1)
  const [neutralIntercept = 0, neutralSlope = 1, polarWeight = 0] = fitCoefficients(
    [ones, pick(neutralScores, neutralRows), pick(polarSizes, neutralRows)],
    pick(neutral.targets.answers, neutralRows),
  )
  return {
    polarTemperature,
    neutralIntercept,
    neutralTemperature: Math.max(smallestTemperature, neutralSlope),
    neutralPerPolarLogit: -Math.max(0, polarWeight),
  }
}

function fitHead(matrix: FeatureMatrix, targets: Targets, options: FitOptions): QuantizedModel {
  return quantize(fitLogisticRegression(matrix, targets.answers, targets.importance, options))
}

function withoutValidation(targets: Targets, examples: readonly Example[]): Targets {
  const importance = targets.importance.map((weight, row) => (examples[row]?.isValidation ? 0 : weight))
  return { ...targets, importance }
}

function validationRows(targets: Targets, examples: readonly Example[]): Uint32Array {
  const rows = Uint32Array.from(examples.keys())
  return rows.filter((row) => examples[row]?.isValidation && targets.importance[row] !== 0)
}

function pick(numbers: Float64Array | Uint8Array, rows: Uint32Array): Float64Array {
  return Float64Array.from(rows, (row) => numbers[row] as number)
}
