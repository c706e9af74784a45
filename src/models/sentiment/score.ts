import { type FeatureSet, negativeBit } from './feature-set.ts'
import type { Sentiment, SentimentClass } from './sentiment.ts'
import type { Head, SentimentWeights } from './weights.ts'

/** Where nothing in the text can be read, there is nothing to be sure of: neutral, at even odds. */
const nothingRead: Sentiment = toSentiment(0.25, 0.25, 0.5)

/**
 * Scores the features of one text: the neutral head splits neutral from polar, the polar head
 * splits the rest. Weights are summed as integers, so the order of features cannot change an
 * answer.
 */
export function scoreFeatures(features: FeatureSet, weights: SentimentWeights): Sentiment {
  if (features.count === 0) return nothingRead
  const { polar, neutral, neutralPerPolarLogit } = weights
  const perFeature = 1 / Math.sqrt(features.count)
  const polarLogit = logitOf(polar, sumSigned(features, polar.weights) * perFeature)
  const neutralLogit =
    logitOf(neutral, sumUnsigned(features, neutral.weights) * perFeature) +
    neutralPerPolarLogit * Math.abs(polarLogit)
  const positiveShare = sigmoid(polarLogit)
  const neutralScore = sigmoid(neutralLogit)
  const polarScore = 1 - neutralScore
  return toSentiment(polarScore * positiveShare, polarScore * (1 - positiveShare), neutralScore)
}

/** The logistic function. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit))
}

function logitOf(head: Head, sum: number): number {
  return (head.bias + head.scale * sum) * head.temperature
}

function sumSigned(features: FeatureSet, weights: Int8Array): number {
  const { items, count } = features
  const mask = weights.length - 1
  let sum = 0
  for (let index = 0; index < count; index++) {
    const feature = items[index] as number
    const weight = weights[feature & mask] as number
    sum += feature >= negativeBit ? -weight : weight
  }
  return sum
}

function sumUnsigned(features: FeatureSet, weights: Int8Array): number {
  const { items, count } = features
  const mask = weights.length - 1
  let sum = 0
  for (let index = 0; index < count; index++) sum += weights[(items[index] as number) & mask] as number
  return sum
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
  return { sentiment, confidence, scores: { positive, negative, neutral } }
}
