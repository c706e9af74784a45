import type { Sentiment, SentimentClass } from '../src/models/sentiment/sentiment.ts'
import type { Label } from './read-corpus.ts'

/** The measurements on one corpus; shares from 0 to 1. */
export interface Measures {
  /** Opinionated texts, on which the choice between positive and negative is forced. */
  readonly polarCount: number
  readonly accuracy: number
  /** Expected calibration error of the forced choice. */
  readonly calibrationError: number
  /** Opinionated texts that were answered `neutral`. */
  readonly neutralShare: number
  /** Only where the corpus has neutral texts. */
  readonly threeClass?: ThreeClassMeasures
}

/** What was measured with neutral as an answer of its own. */
export interface ThreeClassMeasures {
  readonly count: number
  readonly accuracy: number
  readonly macroF1: number
  readonly calibrationError: number
}

const classes: readonly SentimentClass[] = ['negative', 'neutral', 'positive']
const binCount = 15

/** Compares answers with labels, one of each per text. */
export function measure(answers: readonly Sentiment[], labels: readonly Label[]): Measures {
  const polar = answers.filter((_, index) => labels[index] !== 1)
  const polarLabels = labels.filter((label) => label !== 1)
  const rightness = polar.map(
    ({ scores }, index) => scores.positive >= scores.negative === (polarLabels[index] === 2),
  )
  const sureness = polar.map(({ scores }) => {
    const polarScore = scores.positive + scores.negative
    // Neither is left among the four digits of a text that is all but certainly neutral.
    const positive = polarScore === 0 ? 0.5 : scores.positive / polarScore
    return Math.max(positive, 1 - positive)
  })
  const measures = {
    polarCount: polar.length,
    accuracy: shareOf(rightness),
    calibrationError: expectedCalibrationError(sureness, rightness, 0.5),
    neutralShare: shareOf(polar.map(({ sentiment }) => sentiment === 'neutral')),
  }
  return polar.length === answers.length
    ? measures
    : { ...measures, threeClass: measureThree(answers, labels) }
}

/**
 * Mean distance between confidence and accuracy over 15 equally wide bins, weighted by their
 * counts (Guo et al., ICML 2017).
 *
 * @param sureness confidence of each answer, from `lowest` to 1
 * @param rightness whether the answer was right; one per confidence
 */
export function expectedCalibrationError(
  sureness: readonly number[],
  rightness: readonly boolean[],
  lowest: number,
): number {
  const gaps = new Float64Array(binCount)
  sureness.forEach((confidence, index) => {
    const bin = Math.min(binCount - 1, Math.floor(((confidence - lowest) / (1 - lowest)) * binCount))
    gaps[bin] = (gaps[bin] as number) + confidence - (rightness[index] ? 1 : 0)
  })
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / Math.max(1, sureness.length)
}

function measureThree(answers: readonly Sentiment[], labels: readonly Label[]): ThreeClassMeasures {
  const rightness = answers.map(({ sentiment }, index) => sentiment === classes[labels[index] as Label])
  const scores = classes.map((name, label) => {
    let both = 0
    let either = 0
    answers.forEach(({ sentiment }, index) => {
      const isAnswered = sentiment === name
      const isLabelled = labels[index] === label
      if (isAnswered && isLabelled) both++
      either += Number(isAnswered) + Number(isLabelled)
    })
    return either === 0 ? 0 : (2 * both) / either
  })
  return {
    count: answers.length,
    accuracy: shareOf(rightness),
    macroF1: scores.reduce((sum, score) => sum + score, 0) / scores.length,
    calibrationError: expectedCalibrationError(
      answers.map(({ confidence }) => confidence),
      rightness,
      1 / 3,
    ),
  }
}

function shareOf(flags: readonly boolean[]): number {
  return flags.filter(Boolean).length / Math.max(1, flags.length)
}
