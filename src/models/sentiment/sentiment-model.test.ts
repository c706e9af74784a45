import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Sentiment } from './sentiment.ts'
import { loadSentimentModel } from './sentiment-model.ts'

const model = loadSentimentModel()

function answerTo(text: string): Sentiment {
  const [answer] = model.predict([text])
  if (answer === undefined) throw new Error('no answer')
  return answer
}

function expectValid({ sentiment, confidence, scores }: Sentiment): void {
  const { positive, negative, neutral } = scores
  for (const score of [positive, negative, neutral]) {
    expect(score).toBeGreaterThanOrEqual(0)
    expect(score).toBeLessThanOrEqual(1)
    expect(String(score)).toMatch(/^(?:0|1|0\.\d{1,4})$/)
  }
  // Three scores, each rounded by half of the last digit at most.
  expect(Math.abs(positive + negative + neutral - 1)).toBeLessThan(0.000_11)
  expect(confidence).toBe(Math.max(positive, negative, neutral))
  expect(confidence).toBe(scores[sentiment])
}

describe('the built-in sentiment model', () => {
  it('says who it is and that it answers on the calling thread', () => {
    expect(model).toMatchObject({ name: 'sentiment', version: 'sentiment-1', runs: 'inline' })
  })

  it.each([
    ['I love this great product', 'positive'],
    ['This is terrible, I hate it', 'negative'],
    ['Absolutely wonderful, the best film I have seen in years!', 'positive'],
    ['A waste of time and money.', 'negative'],
    ['The food was awful and the staff were rude.', 'negative'],
    ['Works perfectly, highly recommended.', 'positive'],
  ])('is sure of %j', (text, sentiment) => {
    const answer = answerTo(text)
    expect(answer.sentiment).toBe(sentiment)
    expect(answer.confidence).toBeGreaterThan(0.8)
  })

  it.each(['The meeting is at 3pm.', 'The package arrived on Tuesday.', 'It is on the table.'])(
    'takes %j for neutral',
    (text) => {
      expect(answerTo(text).sentiment).toBe('neutral')
    },
  )

  it.each([
    ['The food is good.', 'The food is not good.'],
    ['I am happy with it.', 'I am not happy with it.'],
    ['I would recommend it.', "I wouldn't recommend it."],
  ])('hears the negation between %j and %j', (plain, negated) => {
    const ratio = ({ scores }: Sentiment) => scores.positive / scores.negative
    expect(ratio(answerTo(plain))).toBeGreaterThan(1)
    expect(ratio(answerTo(negated))).toBeLessThan(1)
  })

  it('answers in the order of the texts, each as if alone', () => {
    const texts = ['I love it', 'I hate it', '', 'I love it', 'It is on the table.']
    expect(model.predict(texts)).toEqual(texts.map(answerTo))
    expect(model.predict([])).toEqual([])
  })

  it('answers any string of code units: scores of 0 to 1 with four digits that sum to 1', () => {
    const anyUnits = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 })
    fc.assert(fc.property(anyUnits, (units) => expectValid(answerTo(String.fromCharCode(...units)))))
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => expectValid(answerTo(text))),
    )
  })

  it.each([
    'a',
    '0',
    '!',
    "'",
    '-',
    ' ',
    '\0',
    '\ud800',
    '\udc00',
    '😀',
    '\u0130',
    '@a',
    "n't",
    'not ',
    'http://',
    ':-',
    '.',
  ])('answers ten thousand characters of %j', (piece) => {
    expectValid(answerTo(piece.repeat(10_000 / piece.length)))
  })

  it.each(['', '   \n\t ', '\0', '你好'])(
    'takes a text it cannot read, %j, for neutral and is not sure',
    (text) => {
      const answer = answerTo(text)
      expect(answer.sentiment).toBe('neutral')
      expect(answer.confidence).toBeLessThanOrEqual(0.5)
    },
  )
})

describe('loading', () => {
  const shipped = readFileSync(new URL('./weights.bin', import.meta.url))

  function loadBytes(bytes: Uint8Array): () => unknown {
    return () => {
      const folder = mkdtempSync(join(tmpdir(), 'modelward-weights-'))
      try {
        writeFileSync(join(folder, 'weights.bin'), bytes)
        return loadSentimentModel(join(folder, 'weights.bin'))
      } finally {
        rmSync(folder, { recursive: true })
      }
    }
  }

  it('ships weights of at most 1.2 MB', () => {
    expect(shipped.length).toBeLessThanOrEqual(1_200_000)
  })

  it('gives the same answers from a copy of the file', () => {
    const copy = loadBytes(shipped)() as typeof model
    expect(copy.predict(['I love it'])).toEqual(model.predict(['I love it']))
  })

  it('refuses a truncated file', () => {
    expect(loadBytes(shipped.subarray(0, 500_000))).toThrow(
      /expected \d+ bytes, got 500000: the file is truncated/,
    )
  })

  it('refuses a damaged file', () => {
    const damaged = Uint8Array.from(shipped)
    damaged.fill(0, 600_000, 600_100)
    expect(loadBytes(damaged)).toThrow(/checksum/)
  })

  it('names the file that is absent', () => {
    expect(() => loadSentimentModel('/nowhere/weights.bin')).toThrow(/\/nowhere\/weights.bin cannot be read/)
  })
})
