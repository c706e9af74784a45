import { MessageChannel } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createTestTime } from '../../test/support/test-time.ts'
import { withinDeadline } from './deadline.ts'
import { processScheduler } from './scheduler.ts'

test('work past its deadline is given up, with a fault that says how long it had', async () => {
  const time = createTestTime()
  const given: unknown[] = []
  const late = withinDeadline(new Promise(() => {}), {
    ...{ name: 'the disk', code: 'store_unavailable', deadlineMs: 10, scheduler: time.scheduler },
    onGiveUp: (reason) => given.push(reason),
  })
  const rejected = expect(late).rejects.toMatchObject({
    code: 'store_unavailable',
    message: 'the disk did not answer within 10 ms',
  })
  await time.pass(10)
  await rejected
  expect(given).toHaveLength(1)
})

test('an answer that came in time is no late one, though this thread was too busy to read it', async () => {
  const { port1, port2 } = new MessageChannel()
  const answer = new Promise((resolve) => port1.once('message', resolve))
  const asked = withinDeadline(answer, { name: 'a store', deadlineMs: 20, scheduler: processScheduler })
  port2.postMessage('in time')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  expect(await asked).toBe('in time')
  port1.close()
})
