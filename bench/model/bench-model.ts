import { loadSentimentModel } from '../../src/models/sentiment/sentiment-model.ts'
import type { Bench } from '../bench.ts'
import { formatSpread, percentileOf, type Spread, spreadOf } from '../statistics.ts'
import { sentences } from './sentences.ts'

const passes = 1_000
const targetMicroseconds = 20

/** How long the built-in model takes for a sentence. */
export const benchModel: Bench = async ({ rounds = 7 }, tell) => {
  const model = loadSentimentModel()
  const predict = (text: string) => model.predict([text])
  const samples = new Float64Array(passes * sentences.length)
  measure(predict, samples)
  const p50: number[] = []
  const p99: number[] = []
  const mean: number[] = []
  for (let round = 1; round <= rounds; round += 1) {
    mean.push(measure(predict, samples))
    p50.push(percentileOf(samples, 0.5))
    p99.push(percentileOf(samples, 0.99))
    tell(`round ${round} of ${rounds}: ${mean.at(-1)?.toFixed(1)} µs`)
  }
  const words = sentences.reduce((sum, text) => sum + text.split(' ').length, 0) / sentences.length
  const row = (title: string, spread: Spread) => [title, formatSpread(spread, 1)]
  return {
    name: 'model',
    tables: [
      {
        title: `Built-in model ${model.version}, ${sentences.length} sentences of ${words.toFixed(0)} words in the mean`,
        columns: ['', 'µs per sentence'],
        rows: [row('p50', spreadOf(p50)), row('p99', spreadOf(p99)), row('mean', spreadOf(mean))],
      },
    ],
    targets: [
      {
        name: 'p50 per sentence',
        wanted: `≤ ${targetMicroseconds} µs`,
        measured: `${formatSpread(spreadOf(p50), 1)} µs`,
        isMet: spreadOf(p50).median <= targetMicroseconds,
      },
    ],
    notes: [
      `${passes.toLocaleString('en')} passes a round after a warm-up; each sentence is timed by itself.`,
    ],
    samples: { p50, p99, mean },
  }
}

/** Fills the samples with microseconds, one for each sentence of each pass; gives the mean. */
function measure(predict: (text: string) => unknown, samples: Float64Array): number {
  let index = 0
  const startedAt = performance.now()
  for (let pass = 0; pass < passes; pass += 1) {
    for (const text of sentences) {
      const before = performance.now()
      predict(text)
      samples[index] = (performance.now() - before) * 1_000
      index += 1
    }
  }
  return ((performance.now() - startedAt) * 1_000) / index
}
