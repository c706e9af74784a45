import { expect, test } from 'vitest'
import { createTestTime } from '../../test/support/test-time.ts'
import { createRetries } from './retries.ts'

/** Work that fails while it is out, and what became of it. */
function open(random = 0.999) {
  const time = createTestTime()
  const retries = createRetries(time.scheduler, () => random)
  const tries: number[] = []
  const lost: unknown[] = []
  const state = { isOut: true, hangs: false }
  const add = (): void =>
    retries.add(
      async () => {
        tries.push(time.clock())
        if (state.hangs) await new Promise(() => {})
        if (state.isOut) throw new Error('out')
      },
      new Error('out at first'),
      (fault) => void lost.push(fault),
    )
  return { ...time, retries, tries, lost, state, add }
}

test('what failed is tried again after waits that double up to half a minute', async () => {
  const { add, pass, clock, tries } = open()
  const from = clock()
  add()
  await pass(100_000)
  const waits = tries.map((at, index) => at - (tries[index - 1] ?? from))
  expect(waits).toEqual([999, 1_998, 3_996, 7_992, 15_984, 29_970, 29_970])
})

test('calls that failed together are not tried together', async () => {
  let drawn = 0
  const time = createTestTime()
  const retries = createRetries(time.scheduler, () => {
    drawn += 0.1
    return drawn
  })
  const tries: number[] = []
  for (let call = 0; call < 5; call += 1)
    retries.add(
      async () => void tries.push(time.clock()),
      new Error('out'),
      () => {},
    )
  await time.pass(1_000)
  expect(new Set(tries).size).toBe(5)
})

test('what is done is not tried again', async () => {
  const { add, pass, tries, state, timers } = open()
  add()
  state.isOut = false
  await pass(100_000)
  expect(tries).toHaveLength(1)
  expect(timers()).toBe(0)
})

test('a close tries once more at once, and says what is lost', async () => {
  const { add, retries, tries, lost, state, timers } = open()
  add()
  state.isOut = false
  await retries.close()
  expect([tries.length, lost.length]).toEqual([1, 0])
  state.isOut = true
  add()
  await retries.close()
  expect(lost).toMatchObject([{ message: 'out' }])
  expect(timers()).toBe(0)
})

test('a close waits two seconds for a store that says nothing', async () => {
  const { add, retries, lost, state, pass, tries } = open()
  add()
  state.hangs = true
  const closing = retries.close()
  await pass(2_000)
  await closing
  expect(lost).toMatchObject([{ message: 'out at first' }])
  expect(tries).toHaveLength(1)
})

test('a close does not try what is being tried', async () => {
  const { add, retries, tries, state, pass } = open()
  add()
  state.hangs = true
  await pass(1_000)
  const closing = retries.close()
  await pass(2_000)
  await closing
  expect(tries).toHaveLength(1)
})
