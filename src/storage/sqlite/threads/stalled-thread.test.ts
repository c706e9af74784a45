import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createTestTime } from '../../../../test/support/test-time.ts'
import { createRestartingThread } from './restarting-thread.ts'

interface Calls {
  readonly open: (call: undefined) => void
  readonly write: (call: string) => string
  readonly close: (call: undefined) => string
}

/** Sleeps within a call until it is woken, as a thread that waits for a disk does. */
const program = `
  const { parentPort, workerData } = require('node:worker_threads')
  parentPort.on('message', ({ id, argument }) => {
    if (argument === 'hang') Atomics.wait(workerData.held, 0, 0)
    parentPort.postMessage({ id, value: argument ?? 'closed' })
  })`

const stallMs = 5_000

function openThread() {
  const time = createTestTime()
  const held = new Int32Array(new SharedArrayBuffer(4))
  let restarts = 0
  const thread = createRestartingThread<Calls>({
    startWorker: (options) => new Worker(program, { ...options, eval: true }),
    data: { held },
    store: 'ledger',
    role: 'writer',
    faultCode: 'ledger_unavailable',
    onRestart: () => {
      restarts += 1
    },
    stallMs,
    scheduler: time.scheduler,
  })
  return {
    thread,
    time,
    restarts: () => restarts,
    /** The disk answers. */
    release(): void {
      Atomics.store(held, 0, 1)
      Atomics.notify(held, 0)
    },
  }
}

const stalled = { code: 'ledger_unavailable', message: 'ledger: the disk has not answered for 5 s' }

async function answering(thread: ReturnType<typeof openThread>['thread']): Promise<void> {
  while (thread.isStalled()) await new Promise((resolve) => setImmediate(resolve))
}

test('a call that the disk does not answer is given up, and so is all behind it, until it answers', async () => {
  const { thread, time, release, restarts } = openThread()
  expect(await thread.ask('write', 'a')).toBe('a')
  const late = expect(thread.ask('write', 'hang')).rejects.toMatchObject(stalled)
  await time.pass(stallMs - 1)
  const behind = expect(thread.ask('write', 'b')).rejects.toMatchObject(stalled)
  expect(thread.isStalled()).toBe(false)
  await time.pass(1)
  await Promise.all([late, behind])
  expect(thread.isStalled()).toBe(true)
  expect(time.timers()).toBe(0)
  await expect(thread.ask('write', 'c')).rejects.toMatchObject(stalled)
  release()
  await answering(thread)
  expect(await thread.ask('write', 'd')).toBe('d')
  expect(await thread.close(undefined)).toBe('closed')
  expect([restarts(), time.timers()]).toEqual([0, 0])
})

test('closing gives up a disk that does not answer', async () => {
  const { thread, time, release } = openThread()
  const late = expect(thread.ask('write', 'hang')).rejects.toMatchObject(stalled)
  const closing = expect(thread.close(undefined)).rejects.toMatchObject(stalled)
  await time.pass(stallMs)
  await Promise.all([late, closing])
  release()
})

test('closing does not wait at all for a disk that was given up before', async () => {
  const { thread, time, release } = openThread()
  const late = expect(thread.ask('write', 'hang')).rejects.toMatchObject(stalled)
  await time.pass(stallMs)
  await late
  await expect(thread.close(undefined)).rejects.toMatchObject(stalled)
  release()
})

test('an answer that came while this thread was busy past the deadline is read, and no disk has stalled', async () => {
  const held = new Int32Array(new SharedArrayBuffer(4))
  const thread = createRestartingThread<Calls>({
    startWorker: (options) => new Worker(program, { ...options, eval: true }),
    data: { held },
    store: 'ledger',
    role: 'writer',
    faultCode: 'ledger_unavailable',
    stallMs: 20,
  })
  // Its program is loaded.
  await thread.open(undefined)
  await new Promise(setImmediate)
  const asked = thread.ask('write', 'a')
  Atomics.wait(held, 0, 0, 400)
  expect(await asked).toBe('a')
  expect(thread.isStalled()).toBe(false)
  await thread.close(undefined)
})
