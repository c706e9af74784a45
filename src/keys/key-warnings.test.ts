import { expect, test } from 'vitest'
import { formatWarning, warnOfKey } from './key-warnings.ts'

const sentencesOf = (scopes: readonly string[], limits: readonly string[] | null, models?: string[]) =>
  warnOfKey({ scopes, limits }, { models }).map(formatWarning)

test('a scope that no route asks for is doubted, with the one that was probably meant', () => {
  expect(sentencesOf(['predcit'], null)).toEqual([
    'No route of the server asks for the scope `predcit`; did you mean `predict`?',
  ])
  expect(sentencesOf(['train'], null)).toEqual(['No route of the server asks for the scope `train`.'])
  for (const known of ['admin', 'predict', 'ledger:read', 'usage:read', 'webhooks'])
    expect(sentencesOf([known], null)).toEqual([])
})

test('the scope of a model is doubted only where the models are known', () => {
  expect(sentencesOf(['predict:nosuch'], null)).toEqual([])
  expect(sentencesOf(['predict:sentiment'], null, ['sentiment'])).toEqual([])
  expect(sentencesOf(['predict:sentimnet'], null, ['sentiment'])).toEqual([
    'No route of the server asks for the scope `predict:sentimnet`; did you mean `predict:sentiment`?',
  ])
})

test('a limit that is never reached is told with the one that is', () => {
  expect(sentencesOf(['predict'], ['1000/min', '10/h'])).toEqual([
    'No request reaches the limit 1000/min: 10/h refuses first.',
  ])
})
