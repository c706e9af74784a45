import { describe, expect, test } from 'vitest'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import type { PredictOptions } from '../model.ts'
import type { BatchLane, CallAnswer } from './batch-lane.ts'
import { BatchQueue } from './batch-queue.ts'

const usualMs = 200
const deadlineMs = 2_000

interface Outcome {
  readonly code: string
  readonly retryAfterSeconds?: number | undefined
  /** Milliseconds from asking to it. */
  readonly afterMs: number
}

interface Ask extends PredictOptions {
  readonly inputs?: readonly unknown[]
}

const ofJob = { onQueued: () => {}, deadlineMs: 300_000 }

/** Threads that take 200 ms for each batch, and fail it at once where an input says `crash`. */
function setUp({ threads = 1, batchMax = 1, waitingMax = 10_000 } = {}) {
  const time = createTestTime()
  const started: unknown[] = []
  const start: BatchLane['start'] = (calls) => {
    const inputs = calls.flatMap((call) => call.inputs)
    started.push(inputs[0])
    const answers = Promise.withResolvers<readonly CallAnswer[]>()
    const cancel = time.scheduler.after(usualMs, () => {
      if (inputs.includes('crash')) answers.reject(new Fault('model_failed', 'crashed'))
      else answers.resolve(calls.map((call) => Buffer.from(JSON.stringify(call.inputs).slice(1, -1))))
    })
    const abort = (): void => {
      cancel()
      answers.reject(new Fault('model_failed', 'aborted'))
    }
    const done = (): void => {}
    return { answers: answers.promise, free: answers.promise.then(done, done), abort }
  }
  const queue = new BatchQueue({
    ...{ name: 'm', batchMax, batchDelayMs: 0, waitingMax, answerBytesMax: 1_000_000 },
    lanes: Array.from({ length: threads }, () => ({ start })),
    scheduler: time.scheduler,
    monotonic: time.clock,
  })
  async function ask(owner: string, { inputs = [owner], ...call }: Ask = {}): Promise<Outcome> {
    const askedAt = time.clock()
    const options = { deadlineMs, ...call, owner }
    return queue.predict({ inputs, writes: 'outputs' }, options).then(
      () => ({ code: 'answered', afterMs: time.clock() - askedAt }),
      ({ code, retryAfterSeconds }: Fault) => ({
        ...{ code, retryAfterSeconds, afterMs: time.clock() - askedAt },
      }),
    )
  }
  /** What it comes to without any time passing; `waits` where it needs some. */
  const askNow = (owner: string, call?: Ask): Promise<Outcome | 'waits'> =>
    Promise.race([ask(owner, call), time.settle().then(() => 'waits' as const)])
  /** The model's usual time is known. */
  async function warmUp(): Promise<void> {
    await Promise.all([ask('warm'), time.pass(usualMs)])
    started.length = 0
  }
  return { time, queue, ask, askNow, warmUp, started }
}

const answeredOf = (outcomes: readonly Outcome[]): number =>
  outcomes.filter(({ code }) => code === 'answered').length

describe('owners take turns at a model', () => {
  test('a call is started after one turn of each other owner, behind however many of their slices', async () => {
    const { time, ask, started } = setUp({ batchMax: 32 })
    const slice = Array.from({ length: 32 }, () => 'a')
    const slices = Array.from({ length: 40 }, () => ask('a', { ...ofJob, inputs: slice }))
    const other = ask('b')
    await time.pass(41 * usualMs)
    expect(started.indexOf('b')).toBeLessThanOrEqual(2)
    expect(await other).toEqual({ code: 'answered', afterMs: 3 * usualMs })
    expect(answeredOf(await Promise.all(slices))).toBe(40)
  })

  test('slices of jobs and calls of requests are one owner’s', async () => {
    const { time, ask, started } = setUp()
    const asked = [
      ask('a', { ...ofJob, inputs: ['job of a 1'] }),
      ask('a', { ...ofJob, inputs: ['job of a 2'] }),
      ask('a', { inputs: ['request of a'] }),
      ask('b', { ...ofJob, inputs: ['job of b 1'] }),
      ask('b', { ...ofJob, inputs: ['job of b 2'] }),
    ]
    await time.pass(5 * usualMs)
    expect(answeredOf(await Promise.all(asked))).toBe(5)
    expect(started).toEqual(['job of a 1', 'job of a 2', 'job of b 1', 'request of a', 'job of b 2'])
  })

  test('callers without an owner are one owner, first come, first served', async () => {
    const { time, queue, started } = setUp()
    const call = (input: string) =>
      queue.predict({ inputs: [input], writes: 'outputs' }, { deadlineMs: 60_000 })
    const all = Promise.all(['1', '2', '3', '4'].map(call))
    await time.pass(4 * usualMs)
    await all
    expect(started).toEqual(['1', '2', '3', '4'])
  })

  test.each([
    { threads: 1, batchMax: 1 },
    { threads: 2, batchMax: 1 },
    { threads: 1, batchMax: 8 },
  ])(
    'one that asks for three times what there is costs another no answer: $threads threads, batches of $batchMax',
    async (shape) => {
      const { time, ask, warmUp } = setUp(shape)
      await warmUp()
      const everyMs = usualMs / (shape.threads * shape.batchMax) / 3
      const calls = Math.round(20_000 / everyMs)
      const greedy: Promise<Outcome>[] = []
      const modest: Promise<Outcome>[] = []
      for (let at = 0; at < calls; at += 1) {
        greedy.push(ask('greedy'))
        // A tenth of what there is.
        if (at % 30 === 15) modest.push(ask('modest'))
        await time.pass(everyMs)
      }
      await time.pass(deadlineMs)
      const answers = await Promise.all(modest)
      expect(answeredOf(answers)).toBe(modest.length)
      expect(Math.max(...answers.map(({ afterMs }) => afterMs))).toBeLessThanOrEqual(3 * usualMs)
      const answered = answeredOf(await Promise.all(greedy)) + modest.length
      expect(answered).toBeGreaterThanOrEqual((0.8 * calls) / 3)
    },
  )

  test('inputs that end the model’s thread take turns, too', async () => {
    const { time, ask, started } = setUp({ batchMax: 8 })
    const crash = () => ask('a', { inputs: ['crash'], deadlineMs: 60_000 })
    const crashing = [crash(), ...Array.from({ length: 8 }, crash)]
    await time.pass(usualMs)
    const other = ask('b')
    await time.pass(10 * usualMs)
    expect(started.indexOf('b')).toBeLessThanOrEqual(3)
    expect(await other).toMatchObject({ code: 'answered' })
    expect(answeredOf(await Promise.all(crashing))).toBe(0)
  })
})

describe('what an owner waits for is what counts for it', () => {
  test('one is refused and another waits, and each is told its own wait', async () => {
    const { time, ask, askNow, warmUp } = setUp()
    await warmUp()
    const admitted = Array.from({ length: 9 }, () => ask('a'))
    expect(await askNow('a')).toEqual({ code: 'overloaded', retryAfterSeconds: 2, afterMs: 0 })
    expect(await askNow('b', { deadlineMs: 2 * usualMs })).toEqual({
      ...{ code: 'overloaded', retryAfterSeconds: 1, afterMs: 0 },
    })
    const other = ask('b')
    await time.pass(deadlineMs)
    expect(await other).toEqual({ code: 'answered', afterMs: 3 * usualMs })
    // It took the time of one that waited.
    expect(answeredOf(await Promise.all(admitted))).toBeGreaterThanOrEqual(8)
  })

  test('a wait is as long as it was said to be', async () => {
    const { time, ask, askNow, warmUp } = setUp()
    await warmUp()
    for (let at = 0; at < 7; at += 1) void ask('a', ofJob)
    for (let at = 0; at < 3; at += 1) void ask('b', ofJob)
    // The one that runs; two of each, and its own.
    void ask('c', ofJob)
    expect(await askNow('c', { deadlineMs: 7 * usualMs })).toMatchObject({ code: 'overloaded' })
    const last = ask('c', { deadlineMs: 7 * usualMs + 1 })
    await time.pass(deadlineMs)
    expect(await last).toEqual({ code: 'answered', afterMs: 7 * usualMs })
  })

  test('who fills the queue gives a place of its own up to an owner with fewer', async () => {
    const { time, ask, askNow, queue } = setUp({ waitingMax: 10, batchMax: 2 })
    const first = ask('a', ofJob)
    const waiting = Array.from({ length: 10 }, () => ask('a', ofJob))
    expect(await askNow('a', ofJob)).toMatchObject({ code: 'overloaded' })
    const other = ask('b', { ...ofJob, inputs: ['b', 'b'] })
    expect(queue.load().waiting).toBe(10)
    await time.settle()
    const gone = await Promise.all(waiting.slice(8))
    expect(gone.map(({ code, afterMs }) => [code, afterMs])).toEqual([
      ['overloaded', 0],
      ['overloaded', 0],
    ])
    await time.pass(20 * usualMs)
    expect(answeredOf(await Promise.all([first, other, ...waiting.slice(0, 8)]))).toBe(10)
  })

  test('a full queue of many owners has no place for what would be the most', async () => {
    const { time, ask, askNow, queue } = setUp({ waitingMax: 4, batchMax: 4 })
    void ask('a', ofJob)
    const waiting = ['a', 'a', 'b', 'b'].map((owner) => ask(owner, ofJob))
    expect(await askNow('c', { ...ofJob, inputs: ['c', 'c'] })).toMatchObject({ code: 'overloaded' })
    expect(queue.load().waiting).toBe(4)
    await time.pass(4 * usualMs)
    expect(answeredOf(await Promise.all(waiting))).toBe(4)
  })
})
