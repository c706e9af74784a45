import { expect, test } from 'vitest'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import type { BatchLane } from './batch-lane.ts'
import { BatchQueue } from './batch-queue.ts'

/** One thread that takes so many milliseconds for each batch; for ever for an input of `stuck`. */
function setUp(usualMs: number) {
  const time = createTestTime()
  const started: (readonly unknown[])[] = []
  const start: BatchLane['start'] = (calls) => {
    const inputs = calls.flatMap((call) => call.inputs)
    started.push(inputs)
    const { promise: answers, resolve, reject } = Promise.withResolvers<readonly Uint8Array[]>()
    const isStuck = inputs.includes('stuck')
    const cancel = time.scheduler.after(isStuck ? 1e9 : usualMs, () =>
      resolve(calls.map((call) => Buffer.from(JSON.stringify(call.inputs).slice(1, -1)))),
    )
    const free = answers.then(
      () => {},
      () => {},
    )
    const abort = (): void => {
      cancel()
      reject(new Fault('model_failed', 'aborted'))
    }
    return { answers, free, abort }
  }
  const queue = new BatchQueue({
    ...{ name: 'm', batchMax: 2, batchDelayMs: 0, waitingMax: 10_000, answerBytesMax: 1_000 },
    lanes: [{ start }],
    scheduler: time.scheduler,
    monotonic: time.clock,
  })
  let queued = 0
  const onQueued = (): void => {
    queued += 1
  }
  async function ask(input: unknown, deadlineMs: number, ofJob = false): Promise<string> {
    const askedAt = time.clock()
    const call = { deadlineMs, ...(ofJob && { onQueued }) }
    const code = await queue.predict({ inputs: [input], writes: 'outputs' }, call).then(
      () => 'answered',
      (fault: Fault) => fault.code,
    )
    return `${code} after ${time.clock() - askedAt}`
  }
  return { ask, time, started, queued: () => queued }
}

test('a job’s call is not refused for its wait, and its deadline runs from where the model begins with it', async () => {
  const { ask, time, queued } = setUp(1_000)
  await Promise.all([ask('warm', 5_000), time.pass(1_000)])
  const others = [1, 2, 3, 4, 5, 6].map((input) => ask(input, 60_000))
  const job = ask('a', 1_500, true)
  expect(queued()).toBe(1)
  const request = ask('b', 1_500)
  await time.pass(10_000)
  expect(await request).toMatch(/^(overloaded|model_timeout) after 0$/)
  expect(await job).toBe('answered after 4000')
  await Promise.all(others)
})

test('a model that is stuck on a job’s call has it aborted at that deadline', async () => {
  const { ask, time } = setUp(1_000)
  const before = ask('a', 60_000)
  const job = ask('stuck', 1_500, true)
  await time.pass(10_000)
  expect([await before, await job]).toEqual(['answered after 1000', 'model_timeout after 2500'])
})

test('a job’s call that shared a batch with a request which came too late is not lost for it', async () => {
  const { ask, time, started } = setUp(7_000)
  const first = ask('first', 60_000)
  const job = ask('job', 60_000, true)
  const request = ask('request', 9_000)
  await time.pass(40_000)
  expect(await first).toBe('answered after 7000')
  expect(await request).toMatch(/^model_timeout/)
  expect(await job).toMatch(/^answered/)
  expect(started.at(-1)).toEqual(['job'])
})
