import { expect, test } from 'vitest'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import type { PredictOptions } from '../model.ts'
import type { BatchLane, CallAnswer } from './batch-lane.ts'
import { BatchQueue } from './batch-queue.ts'

interface Batch {
  readonly size: number
  /** What it was given at each abort, in milliseconds. */
  readonly aborts: number[]
  readonly answer: () => void
  readonly fail: () => void
  /** A lane is free after an answer at once, and after a failure when it is told. */
  readonly free: () => void
}

/** A queue whose lanes end their batches when they are told. */
function setUp(threads: number) {
  const time = createTestTime()
  const batches: Batch[] = []
  const start: BatchLane['start'] = (calls) => {
    const answers = Promise.withResolvers<readonly CallAnswer[]>()
    const free = Promise.withResolvers<void>()
    const aborts: number[] = []
    batches.push({
      size: calls.length,
      aborts,
      answer() {
        answers.resolve(calls.map(() => Buffer.from('1')))
        free.resolve()
      },
      fail: () => answers.reject(new Fault('model_failed', 'failed')),
      free: () => free.resolve(),
    })
    return { answers: answers.promise, free: free.promise, abort: (leftMs) => void aborts.push(leftMs) }
  }
  const queue = new BatchQueue({
    ...{ name: 'm', batchMax: 4, batchDelayMs: 0, waitingMax: 100, answerBytesMax: 1_000 },
    lanes: Array.from({ length: threads }, () => ({ start })),
    scheduler: time.scheduler,
    monotonic: time.clock,
  })
  /** What a call comes to, or `waits` so far. */
  function ask(deadlineMs: number, call: PredictOptions = {}, input = 'a') {
    let outcome: unknown = 'waits'
    queue.predict({ inputs: [input], writes: 'outputs' }, { ...call, deadlineMs }).then(
      () => {
        outcome = 'answered'
      },
      (thrown: Error) => {
        outcome = thrown instanceof Fault ? [thrown.code, thrown.retryAfterSeconds] : thrown.message
      },
    )
    return async () => {
      await time.settle()
      return outcome
    }
  }
  /** The batch that was started last has taken so long. */
  async function answerAfter(ms: number): Promise<void> {
    await time.pass(ms)
    batches.at(-1)?.answer()
    await time.settle()
  }
  return { time, batches, ask, answerAfter }
}

const large = 'x'.repeat(1_000)

test('calls wait for a lane that was just lost, and are refused once it has been away for longer than they have', async () => {
  const { time, batches, ask } = setUp(1)
  const lost = ask(5_000)
  batches[0]?.fail()
  expect(await lost()).toEqual(['model_failed', undefined])
  const early = ask(5_000)
  expect(await early()).toBe('waits')
  await time.pass(6_000)
  expect(await early()).toEqual(['model_timeout', undefined])
  expect(await ask(5_000)()).toEqual(['overloaded', 6])
  batches[0]?.free()
  await time.settle()
  const next = ask(5_000)
  batches[1]?.answer()
  expect(await next()).toBe('answered')
})

test('a lane that is away refuses nothing that the others answer in time', async () => {
  const { time, batches, ask } = setUp(2)
  ask(5_000)
  batches[0]?.fail()
  await time.pass(300_000)
  ask(5_000)
  const waits = ask(5_000)
  expect(await waits()).toBe('waits')
  batches[1]?.answer()
  await time.settle()
  batches[2]?.answer()
  expect(await waits()).toBe('answered')
})

test('a lane that works on a slow call of a job refuses nothing that the others answer in time', async () => {
  const { ask, answerAfter } = setUp(2)
  const onQueued = () => {}
  ask(300_000, { onQueued }, large)
  await answerAfter(60_000)
  ask(300_000, { onQueued }, large)
  ask(5_000)
  expect(await ask(5_000)()).toBe('waits')
})

test('a call of a job that is cancelled has no time left to go on', async () => {
  const { batches, ask } = setUp(1)
  const cancel = new AbortController()
  const job = ask(300_000, { onQueued: () => {}, signal: cancel.signal })
  cancel.abort(new Error('cancelled'))
  expect(await job()).toBe('cancelled')
  expect(batches[0]?.aborts).toEqual([0])
})

test('the time of calls whose clients hang up is learnt where the model ends them by itself', async () => {
  const { ask, answerAfter } = setUp(1)
  ask(5_000)
  await answerAfter(1_900)
  for (let at = 0; at < 3; at += 1) {
    ask(5_000, { onClientGone: (listener) => queueMicrotask(listener) })
    await answerAfter(20)
  }
  ask(5_000)
  expect(await ask(1_000)()).toBe('waits')
})

test('a batch that was aborted for one endless input refuses no call after it', async () => {
  const { time, batches, ask, answerAfter } = setUp(1)
  ask(16_000)
  for (let at = 0; at < 4; at += 1) ask(16_000)
  await answerAfter(1)
  expect(batches[1]?.size).toBe(4)
  await time.pass(8_000)
  batches[1]?.fail()
  batches[1]?.free()
  await time.settle()
  for (let at = 0; at < 4; at += 1) await answerAfter(1)
  ask(5_000)
  expect(await ask(5_000)()).toBe('waits')
})
