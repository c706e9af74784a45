import { expect, test } from 'vitest'
import { createModelList } from './model-list.ts'
import type { Answer } from './upstream.ts'

test('a list that failed is asked for again, and waited for only by who is patient', async () => {
  const asked: PromiseWithResolvers<Answer>[] = []
  let now = 0
  const failures: string[] = []
  const list = createModelList({
    path: '/v1/models',
    form: 'openai',
    ask: () => {
      const answer = Promise.withResolvers<Answer>()
      asked.push(answer)
      return answer.promise
    },
    monotonic: () => now,
    mayAsk: () => true,
    onFailed: (problem) => failures.push(problem),
  })
  // Nothing is known of it: the first question is waited for by all.
  const first = list.names(false)
  asked[0]?.resolve({ problem: 'no byte of an answer' })
  expect([await first, await list.names(true), asked.length]).toEqual([undefined, undefined, 1])
  now += 5_000
  expect(await list.names(false)).toBeUndefined()
  const waiting = list.names(true)
  expect(asked).toHaveLength(2)
  asked[1]?.resolve({ body: Buffer.from('{"data":[{"id":"small"}]}') })
  expect([await waiting, await list.names(false)]).toEqual([['small'], ['small']])
  now += 30_000
  const again = list.names(false)
  asked[2]?.resolve({ body: Buffer.from('{"data":[{"id":"large"}]}') })
  expect([await again, failures]).toEqual([['large'], ['no byte of an answer']])
})
