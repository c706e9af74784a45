import { expect, test } from 'vitest'
import { createTestTime } from '../../../test/support/test-time.ts'
import { createBoundedWait } from './bounded-wait.ts'

function createWait() {
  const time = createTestTime()
  const wait = createBoundedWait({
    scheduler: time.scheduler,
    ms: 5_000,
    tooSlow: () => new Error('too slow'),
  })
  return { time, ...wait }
}

test('work that ends in time gives its outcome, and nothing stalls', async () => {
  const { time, wait, isStalled } = createWait()
  const work = Promise.withResolvers<string>()
  const waited = wait(work.promise)
  await time.pass(4_999)
  work.resolve('done')
  expect(await waited).toBe('done')
  await expect(wait(Promise.reject(new Error('no space')))).rejects.toThrow('no space')
  await time.pass(60_000)
  expect(isStalled()).toBe(false)
})

test('work that takes longer is waited for no longer, and stalls until it ends, however it does', async () => {
  const { time, wait, isStalled } = createWait()
  const works = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const waited = works.map(({ promise }) => wait(promise))
  const refused = Promise.all(waited.map((one) => expect(one).rejects.toThrow('too slow')))
  await time.pass(5_000)
  await refused
  expect(isStalled()).toBe(true)
  works[0]?.resolve()
  await time.settle()
  expect(isStalled()).toBe(true)
  works[1]?.reject(new Error('late'))
  await time.settle()
  expect(isStalled()).toBe(false)
})
