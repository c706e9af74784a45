import { expect, test } from 'vitest'
import { predictInSlices, slicedOutputs } from './predict-in-slices.ts'

const bounds = { name: 'm', batchMax: 1, deadlineMs: 1_000, answerBytesMax: 1_000 }

test('a call of several slices whose client goes ends when the work on its slice has, and starts no other', async () => {
  const told: unknown[] = []
  const work = Promise.withResolvers<readonly unknown[]>()
  const predict = predictInSlices(
    bounds,
    ([input], { onClientGone }) => {
      onClientGone?.(() => told.push(input))
      return input === 'a' ? ['a'] : work.promise
    },
    slicedOutputs,
  )
  let leave = (): void => {}
  let outcome: unknown = 'at work'
  const answer = predict(['a', 'b', 'c'], {
    onClientGone: (listener) => {
      leave = listener
    },
  })
  const ended = Promise.resolve(answer).catch((thrown: Error) => {
    outcome = thrown.message
  })
  leave()
  await new Promise((resolve) => setImmediate(resolve))
  expect([outcome, told]).toEqual(['at work', ['b']])
  work.resolve(['b'])
  await ended
  expect([outcome, told]).toEqual(['the client went away', ['b']])
})
