import { expect, test } from 'vitest'
import { createSeriesBudget } from './series-budget.ts'
import { createUpstreamMeasures } from './upstream-measures.ts'

test('tokens are counted by upstream, model and kind; beyond their series as other, and none is lost', () => {
  const { measures, read } = createUpstreamMeasures(createSeriesBudget(10), createSeriesBudget(3))
  measures.upstreamTokens('local', 'fast', { prompt: 5, completion: 2 })
  measures.upstreamTokens('local', 'fast', { prompt: 1, completion: 0 })
  measures.upstreamTokens('remote', 'a\nb', { prompt: 7, completion: 0 })
  measures.upstreamTokens('remote', 'c', { prompt: 11, completion: 13 })
  expect(read.modelward_tokens_total()).toEqual([
    { value: 6, labels: { upstream: 'local', model: 'fast', kind: 'prompt' } },
    { value: 2, labels: { upstream: 'local', model: 'fast', kind: 'completion' } },
    { value: 7, labels: { upstream: 'remote', model: 'a\nb', kind: 'prompt' } },
    { value: 24, labels: { upstream: 'other', model: 'other', kind: 'other' } },
  ])
})
