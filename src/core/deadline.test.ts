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

test('work of several answers goes on after this thread was busy past its deadline, and is given up in its time otherwise', async () => {
  const { port1, port2 } = new MessageChannel()
  port2.on('message', () => port2.postMessage('an answer'))
  async function answers(): Promise<string> {
    for (let asked = 0; asked < 3; asked += 1) {
      port1.postMessage('a question')
      await new Promise((resolve) => port1.once('message', resolve))
    }
    return 'all'
  }
  const server = { name: 'a server', waits: 2, scheduler: processScheduler }
  const asked = withinDeadline(answers(), { ...server, deadlineMs: 2_000 })
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500)
  expect(await asked).toBe('all')
  port1.close()

  const time = createTestTime()
  const given: unknown[] = []
  const late = withinDeadline(new Promise(() => {}), {
    ...{ ...server, deadlineMs: 10, scheduler: time.scheduler },
    onGiveUp: (reason) => given.push(reason),
  })
  const rejected = expect(late).rejects.toThrow('within 10 ms')
  await time.pass(9)
  expect(given).toHaveLength(0)
  await time.pass(1)
  await rejected
  expect(given).toHaveLength(1)
})
