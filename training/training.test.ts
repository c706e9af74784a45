import { describe, expect, it } from 'vitest'
import { createSentimentModel } from '../src/models/sentiment/sentiment-model.ts'
import { formatWeights } from '../src/models/sentiment/weights.ts'
import type { Corpus } from './corpora.ts'
import type { Example } from './examples.ts'
import { fitWeights } from './fit-weights.ts'
import { measure } from './measures.ts'
import { createRandom } from './random.ts'
import type { Label } from './read-corpus.ts'

const corpus: Corpus = { name: 'made_up', use: 'train', weight: 1, isPermissive: true }
const words = {
  0: ['dreadful', 'broken', 'boring', 'nasty'],
  1: ['wooden', 'monthly', 'northern', 'square'],
  2: ['lovely', 'splendid', 'charming', 'superb'],
} as const
const things = ['table', 'film', 'phone', 'hotel', 'book', 'meal']

/** Texts in which one word decides the label, except for a share that is labelled at random. */
function makeExamples(count: number, seed: number, mislabelled = 0.1): Example[] {
  const random = createRandom(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  return Array.from({ length: count }, (_, index) => {
    const meant = pick([0, 1, 2] as const)
    const label: Label = random() < mislabelled ? pick([0, 1, 2] as const) : meant
    return {
      text: `the ${pick(things)} was a ${pick(words[meant])} ${pick(things)}`,
      label,
      corpus,
      isValidation: index % 4 === 0,
    }
  })
}

const examples = makeExamples(1200, 1)
const small = { polarBits: 14, neutralBits: 12 }

describe('fitWeights', () => {
  it('writes the same bytes from the same texts and seed', () => {
    const first = formatWeights(fitWeights(examples, { seed: 5, ...small }))
    const second = formatWeights(fitWeights(examples, { seed: 5, ...small }))
    expect(Buffer.compare(first, second)).toBe(0)
  })

  it('takes the order of the examples from the seed', () => {
    const first = formatWeights(fitWeights(examples, { seed: 5, ...small }))
    const second = formatWeights(fitWeights(examples, { seed: 6, ...small }))
    expect(Buffer.compare(first, second)).not.toBe(0)
  })

  it('learns all three classes', () => {
    const model = createSentimentModel(fitWeights(examples, { seed: 5, ...small }))
    const texts = ['a lovely thing', 'a dreadful thing', 'a northern table']
    expect(model.predict(texts).map(({ sentiment }) => sentiment)).toEqual([
      'positive',
      'negative',
      'neutral',
    ])
  })

  it('is as sure of positive against negative as it is right', () => {
    const noisy = makeExamples(2400, 4, 0.4)
    const model = createSentimentModel(fitWeights(noisy, { seed: 5, ...small }))
    const unseen = makeExamples(6000, 6, 0.4)
    const measures = measure(
      model.predict(unseen.map(({ text }) => text)),
      unseen.map(({ label }) => label),
    )
    expect(measures.accuracy).toBeGreaterThan(0.75)
    expect(measures.calibrationError).toBeLessThan(0.08)
  })

  it('is about as sure as it is right: nine times in ten and not more', () => {
    const model = createSentimentModel(fitWeights(examples, { seed: 5, ...small }))
    const answers = model.predict(makeExamples(300, 3).map(({ text }) => text))
    const mean = answers.reduce((sum, { confidence }) => sum + confidence, 0) / answers.length
    expect(mean).toBeGreaterThan(0.8)
    expect(mean).toBeLessThan(0.98)
  })
})
