import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Model } from '../model.ts'
import { FeatureSet, hashFeatures, negativeBit } from './features.ts'
import type { Sentiment, SentimentClass } from './sentiment.ts'
import { tokenize } from './tokenize.ts'
import { type Head, parseWeights, type SentimentWeights, WeightsError } from './weights.ts'

/** Changes whenever an answer may change: with the weights, the tokeniser or the features. */
const version = 'sentiment-1'

const shippedWeights = new URL('./weights.bin', import.meta.url)

/** A model whose answers are ready when `predict` returns. */
export interface SentimentModel extends Model<string, Sentiment> {
  readonly runs: 'inline'
  /**
   * Answers every text, whatever it holds: English in, anything else most likely neutral. Never
   * throws, never looks at the signal.
   */
  readonly predict: (texts: readonly string[]) => readonly Sentiment[]
}

/**
 * Loads the built-in sentiment model: one read of one file of 1.2 MB, a few milliseconds. Load
 * once, at the start.
 *
 * @param file where the weights are, when not beside this module
 * @throws WeightsError when the file is absent, truncated or damaged
 * @example
 * const model = loadSentimentModel()
 * const [answer] = model.predict(['I love this great product'])
 * // answer.sentiment === 'positive'
 */
export function loadSentimentModel(file: string | URL = shippedWeights): SentimentModel {
  return createSentimentModel(parseWeights(readWeightsFile(file)))
}

/**
 * Builds the model around given weights. It keeps one set of buffers, which is safe because
 * `predict` never yields.
 */
export function createSentimentModel(weights: SentimentWeights): SentimentModel {
  const features = new FeatureSet()
  return {
    name: 'sentiment',
    version,
    runs: 'inline',
    predict(texts) {
      const answers: Sentiment[] = []
      for (const text of texts) {
        hashFeatures(tokenize(text), features)
        answers.push(scoreFeatures(features, weights))
      }
      return answers
    },
  }
}

function readWeightsFile(file: string | URL): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    const path = typeof file === 'string' ? file : fileURLToPath(file)
    throw new WeightsError(`sentiment weights: ${path} cannot be read (${(cause as Error).message})`, {
      cause,
    })
  }
}

/** Where nothing in the text can be read, there is nothing to be sure of: neutral, at even odds. */
const nothingRead: Sentiment = toSentiment(0.25, 0.25, 0.5)

/**
 * Scores the features of one text: the neutral head splits neutral from polar, the polar head
 * splits the rest.
 */
function scoreFeatures(features: FeatureSet, weights: SentimentWeights): Sentiment {
  if (features.count === 0) return nothingRead
  const { polar, neutral, neutralPerPolarLogit } = weights
  const polarLogit = logitOf(features, polar, true)
  const neutralLogit = logitOf(features, neutral, false) + neutralPerPolarLogit * Math.abs(polarLogit)
  const positiveShare = sigmoid(polarLogit)
  const neutralScore = sigmoid(neutralLogit)
  const polarScore = 1 - neutralScore
  return toSentiment(polarScore * positiveShare, polarScore * (1 - positiveShare), neutralScore)
}

/** The logistic function. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit))
}

/**
 * What one head makes of the features. Weights are summed as integers, so the order of features
 * cannot change an answer.
 *
 * @param isSigned whether a negated feature counts −1, rather than +1 as every other
 */
function logitOf({ items, count }: FeatureSet, head: Head, isSigned: boolean): number {
  const { weights, bias, scale, temperature } = head
  const mask = weights.length - 1
  let sum = 0
  for (let index = 0; index < count; index++) {
    const feature = items[index] as number
    const weight = weights[feature & mask] as number
    sum += isSigned && feature >= negativeBit ? -weight : weight
  }
  return (bias + scale * (sum * (1 / Math.sqrt(count)))) * temperature
}

/**
 * A tie goes to the first of neutral, positive, negative: an opinion is not claimed without a
 * majority.
 */
function toSentiment(positive: number, negative: number, neutral: number): Sentiment {
  let sentiment: SentimentClass = 'neutral'
  let confidence = neutral
  if (positive > confidence) {
    sentiment = 'positive'
    confidence = positive
  }
  if (negative > confidence) {
    sentiment = 'negative'
    confidence = negative
  }
  return {
    sentiment,
    confidence: toFourDigits(confidence),
    scores: {
      positive: toFourDigits(positive),
      negative: toFourDigits(negative),
      neutral: toFourDigits(neutral),
    },
  }
}

/** More digits than these would claim a precision that no calibration has. */
function toFourDigits(share: number): number {
  return Math.round(share * 10_000) / 10_000
}
