import { expect, test } from 'vitest'
import { loadSentimentModel } from '../../models/sentiment/sentiment-model.ts'
import { serveInline } from '../../models/serve-model.ts'
import { jobModelsOf } from './job-models.ts'

test('of a model on the main thread jobs ask for short slices, of any other for as many inputs as it takes', () => {
  const inline = serveInline(loadSentimentModel(), { deadlineMs: 5_000, answerBytesMax: 1_000_000 })
  const models = jobModelsOf(
    new Map([
      ['inline', inline],
      ['threaded', { ...inline, runs: 'threaded' }],
    ]),
  )
  expect(models.get('inline')?.sliceCharactersMax).toBe(16_384)
  expect(models.get('threaded')?.sliceCharactersMax).toBeUndefined()
})
