import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Model } from '../model.ts'
import { FeatureSet } from './feature-set.ts'
import { hashFeatures } from './hashed-features.ts'
import { scoreFeatures } from './score.ts'
import type { Sentiment } from './sentiment.ts'
import { tokenize } from './tokenize.ts'
import { parseWeights, type SentimentWeights, WeightsError } from './weights.ts'

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
  const predictOne = (text: string): Sentiment => {
    hashFeatures(tokenize(text), features)
    return scoreFeatures(features, weights)
  }
  return { name: 'sentiment', version, runs: 'inline', predict: (texts) => texts.map(predictOne) }
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
