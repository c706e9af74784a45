import { expect, test } from 'vitest'
import { namedScopes } from '../../core/scope.ts'
import { formatWarning, warnOfKey } from './key-warnings.ts'

const sentencesOf = (scopes: readonly string[], limits: readonly string[] | null, models?: string[]) =>
  warnOfKey({ scopes, limits }, { models }).map(formatWarning)

test('a scope that no route asks for is doubted, with the one that was probably meant', () => {
  expect(sentencesOf(['predcit'], null)).toEqual([
    'No route of the server asks for the scope `predcit`; did you mean `predict`?',
  ])
  expect(sentencesOf(['train'], null)).toEqual(['No route of the server asks for the scope `train`.'])
  for (const known of namedScopes) expect(sentencesOf([known], null)).toEqual([])
})

test('the scope of a model is doubted only where the models are known', () => {
  expect(sentencesOf(['predict:nosuch'], null)).toEqual([])
  expect(sentencesOf(['predict:sentiment'], null, ['sentiment'])).toEqual([])
  expect(sentencesOf(['predict:sentimnet'], null, ['sentiment'])).toEqual([
    'No route of the server asks for the scope `predict:sentimnet`; did you mean `predict:sentiment`?',
  ])
})

test('a scope that a rule of the deployment asks for is known, and may have been meant', () => {
  const askedScopes = ['predict:chat', 'transcribe']
  const warningsOf = (scope: string) =>
    warnOfKey({ scopes: [scope], limits: null }, { models: [], askedScopes })
  expect(warningsOf('predict:chat')).toEqual([])
  expect(warningsOf('transcirbe')).toEqual([
    { code: 'scope_unknown', scope: 'transcirbe', did_you_mean: 'transcribe' },
  ])
  expect(warningsOf('predcit')).toEqual([
    { code: 'scope_unknown', scope: 'predcit', did_you_mean: 'predict' },
  ])
})

test('a limit that is never reached is told with the one that is', () => {
  expect(sentencesOf(['predict'], ['1000/min', '10/h'])).toEqual([
    'No request reaches the limit 1000/min: 10/h refuses first.',
  ])
})
