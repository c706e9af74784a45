import { describe, expect, test } from 'vitest'
import { createTestTime, type TestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import type { BatchLane, CallAnswer } from './batch-lane.ts'
import { BatchQueue } from './batch-queue.ts'

const usualMs = 200
const deadlineMs = 2_000

/** How long a batch of these inputs takes, in milliseconds. */
type Times = (inputs: readonly unknown[]) => number

/** A thread that needs a known time for each batch. */
class TimedLane implements BatchLane {
  readonly started: (readonly unknown[])[]
  readonly #time: TestTime
  readonly #msOf: Times

  constructor(time: TestTime, msOf: Times, started: (readonly unknown[])[]) {
    this.#time = time
    this.#msOf = msOf
    this.started = started
  }

  readonly start: BatchLane['start'] = (calls) => {
    const inputs = calls.flatMap((call) => call.inputs)
    this.started.push(inputs)
    const { promise: answers, resolve, reject } = Promise.withResolvers<readonly CallAnswer[]>()
    const cancel = this.#time.scheduler.after(this.#msOf(inputs), () =>
      resolve(calls.map((call) => Buffer.from(JSON.stringify(call.inputs).slice(1, -1)))),
    )
    const free = answers.then(
      () => {},
      () => {},
    )
    return {
      answers,
      free,
      abort: () => {
        cancel()
        reject(new Fault('model_failed', 'aborted'))
      },
    }
  }
}

interface Outcome {
  readonly code: string
  readonly retryAfterSeconds: number | undefined
  /** Milliseconds from asking to it. */
  readonly afterMs: number
}

function setUp({ threads = 1, batchMax = 1, msOf = (() => usualMs) as Times } = {}) {
  const time = createTestTime()
  const started: (readonly unknown[])[] = []
  const queue = new BatchQueue({
    ...{ name: 'm', batchMax, batchDelayMs: 0, waitingMax: 10_000, answerBytesMax: 1_000 },
    lanes: Array.from({ length: threads }, () => new TimedLane(time, msOf, started)),
    scheduler: time.scheduler,
    monotonic: time.clock,
  })
  async function ask(input: unknown, leftMs = deadlineMs): Promise<Outcome> {
    const askedAt = time.clock()
    const outcome = (code: string, retryAfterSeconds?: number): Outcome => {
      return { code, retryAfterSeconds, afterMs: time.clock() - askedAt }
    }
    try {
      await queue.predict({ inputs: [input], writes: 'outputs' }, { deadlineMs: leftMs })
      return outcome('answered')
    } catch (thrown) {
      const { code, retryAfterSeconds } = thrown as Fault
      return outcome(code, retryAfterSeconds)
    }
  }
  /** As a job does: a slice of inputs that may wait. */
  const askBatch = (inputs: readonly string[]) =>
    queue.predict({ inputs, writes: 'outputs' }, { deadlineMs: 300_000, onQueued: () => {} })
  /** What a call comes to without any time passing; `waits` where it needs some. */
  async function askNow(input: unknown, leftMs = deadlineMs): Promise<Outcome | 'waits'> {
    const asked = ask(input, leftMs)
    return Promise.race([asked, time.settle().then(() => 'waits' as const)])
  }
  /** Asks again and again, as a client does that heeds `Retry-After`; counts its answers. */
  async function keepAsking(untilMs: number): Promise<number> {
    let answered = 0
    while (time.clock() < untilMs) {
      const { code, retryAfterSeconds = 0 } = await ask('a')
      if (code === 'answered') answered += 1
      await new Promise<void>((resolve) => time.scheduler.after(retryAfterSeconds * 1_000, resolve))
    }
    return answered
  }
  /** Lets so many calls come at equal distances, and gives what they came to. */
  async function arrive(count: number, everyMs: number, input: unknown = 'a'): Promise<readonly Outcome[]> {
    const asked: Promise<Outcome>[] = []
    for (let at = 0; at < count; at += 1) {
      asked.push(ask(input))
      await time.pass(everyMs)
    }
    await time.pass(deadlineMs)
    return Promise.all(asked)
  }
  return { time, ask, askBatch, askNow, keepAsking, arrive, started }
}

const answeredOf = (outcomes: readonly Outcome[]): number =>
  outcomes.filter(({ code }) => code === 'answered').length

describe('a model that is asked for more than it can do', () => {
  // A full batch takes 200 ms in each.
  const shapes = [
    { threads: 1, batchMax: 1 },
    { threads: 2, batchMax: 1 },
    { threads: 1, batchMax: 8 },
    { threads: 1, batchMax: 8, msOf: (inputs: readonly unknown[]) => 100 + 12.5 * inputs.length },
    { threads: 1, batchMax: 8, msOf: (inputs: readonly unknown[]) => 25 * inputs.length },
  ]

  test.each(
    shapes.flatMap((shape) =>
      [2.4, 8].map((load) => ({ ...shape, clients: load * 5 * shape.threads * shape.batchMax })),
    ),
  )(
    'answers as many as it can: $threads threads, batches of $batchMax, $clients clients',
    async ({ clients, ...shape }) => {
      const { time, keepAsking } = setUp(shape)
      const seconds = 10
      const until = time.clock() + seconds * 1_000
      const asking = Array.from({ length: clients }, () => keepAsking(until))
      await time.pass(seconds * 1_000 + 3 * deadlineMs)
      const answered = (await Promise.all(asking)).reduce((sum, count) => sum + count, 0)
      const couldPerSecond = (shape.threads * shape.batchMax * 1_000) / usualMs
      expect(answered).toBeGreaterThanOrEqual(0.8 * couldPerSecond * seconds)
    },
  )

  test.each(shapes)(
    'answers as many at three times its capacity: $threads threads, batches of $batchMax',
    async (shape) => {
      const { arrive } = setUp(shape)
      const everyMs = usualMs / (shape.threads * shape.batchMax) / 3
      const count = Math.round(10_000 / everyMs)
      expect(answeredOf(await arrive(count, everyMs))).toBeGreaterThanOrEqual((0.8 * count) / 3)
    },
  )

  test('refuses at once what would wait past its deadline, and says for how long there is no room', async () => {
    const { time, ask, askNow } = setUp()
    const first = ask('a')
    await time.pass(usualMs)
    expect(await first).toMatchObject({ code: 'answered' })
    const admitted = Array.from({ length: 9 }, () => ask('a'))
    expect(await askNow('a')).toEqual({ code: 'overloaded', retryAfterSeconds: 2, afterMs: 0 })
    await time.pass(deadlineMs)
    expect(answeredOf(await Promise.all(admitted))).toBe(9)
    const next = ask('a')
    await time.pass(usualMs)
    expect(await next).toMatchObject({ code: 'answered' })
  })

  test('answers at once what has less time left than it usually takes, and does not start it', async () => {
    const { time, ask, askNow, started } = setUp()
    const first = [ask('a'), ask('b')]
    await time.pass(usualMs)
    expect(await askNow('late', usualMs - 1)).toMatchObject({ code: 'model_timeout', afterMs: 0 })
    await time.pass(usualMs)
    expect(answeredOf(await Promise.all(first))).toBe(2)
    expect(started).toEqual([['a'], ['b']])
  })

  test('does not start what was admitted and has too little time left by its turn', async () => {
    let ms = usualMs
    const { time, ask, started } = setUp({ msOf: () => ms })
    void ask('first')
    await time.pass(usualMs)
    ms = 1_900
    const slow = ask('slow')
    ms = usualMs
    const late = ask('late')
    await time.pass(1_900)
    expect(await slow).toMatchObject({ code: 'answered' })
    expect(await Promise.race([late, time.settle()])).toMatchObject({ code: 'model_timeout', afterMs: 1_900 })
    expect(started).toEqual([['first'], ['slow']])
  })

  test('gives a batch no more than can be answered in time', async () => {
    // Each input of a batch takes its own time.
    const msOf: Times = (inputs) => (inputs[0] === 'slow' ? 1_150 : inputs.length * 100)
    const { time, ask, started } = setUp({ batchMax: 8, msOf })
    for (let inputs = 1; inputs <= 8; inputs *= 2) {
      const warm = Array.from({ length: inputs + 1 }, () => ask('a'))
      await time.pass(100 + 100 * inputs)
      await Promise.all(warm)
    }
    started.length = 0
    const running = ask('slow')
    const calls = Array.from({ length: 6 }, (_, at) => ask('c', at < 3 ? 1_500 : deadlineMs))
    await time.pass(2_000)
    expect(answeredOf(await Promise.all([running, ...calls]))).toBe(7)
    expect(started.map(({ length }) => length)).toEqual([1, 3, 3])
  })
})

describe('what a model usually takes', () => {
  test('is not known of one that has answered nothing, which refuses nothing', async () => {
    const { arrive } = setUp({ msOf: () => 1_000_000 })
    const outcomes = await arrive(20, 1)
    expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set(['model_timeout']))
    expect(outcomes.every(({ afterMs }) => afterMs > deadlineMs - 20)).toBe(true)
  })

  test('is no more than its calls take again, however slow it was: a free thread tries', async () => {
    let ms = deadlineMs - 1
    const { time, arrive } = setUp({ msOf: () => ms })
    await arrive(40, deadlineMs)
    ms = usualMs
    const recovering = await arrive(40, usualMs / 2)
    expect(answeredOf(recovering)).toBeGreaterThanOrEqual(5)
    await time.pass(10_000)
    expect(answeredOf(await arrive(10, 1))).toBe(10)
  })

  test('of a model that was too slow for every deadline is found out again', async () => {
    let ms = 10 * deadlineMs
    const { arrive } = setUp({ msOf: () => ms })
    await arrive(40, deadlineMs)
    ms = usualMs
    await arrive(40, usualMs)
    expect(answeredOf(await arrive(10, 1))).toBe(10)
  })

  test('is not moved by an outlier', async () => {
    let ms = usualMs
    const { arrive } = setUp({ msOf: () => ms })
    await arrive(8, usualMs)
    ms = deadlineMs - 1
    await arrive(1, deadlineMs)
    ms = usualMs
    expect(answeredOf(await arrive(10, 1))).toBe(10)
  })

  test('of large inputs says nothing of small ones', async () => {
    const { arrive } = setUp({ msOf: ([input]) => String(input).length })
    const large = 'x'.repeat(1_900)
    await arrive(20, deadlineMs, large)
    expect(answeredOf(await arrive(100, 1, 'small'))).toBe(100)
    await arrive(20, deadlineMs, large)
    expect(answeredOf(await arrive(100, 1, 'small'))).toBe(100)
  })

  test("of one caller's slow inputs refuses no other's fast ones for long", async () => {
    const { time, arrive, ask } = setUp({ msOf: ([input]) => (input === 'slow' ? 1_900 : 20) })
    await arrive(20, 20, 'fast')
    await arrive(40, deadlineMs, 'slow')
    // A free thread takes whatever comes, and a few answers tell.
    await arrive(12, 20, 'fast')
    const together = Array.from({ length: 50 }, () => ask('fast'))
    await time.pass(deadlineMs)
    expect(answeredOf(await Promise.all(together))).toBe(50)
  })

  test('is forgotten where nothing was learnt for long, though no thread is ever free', async () => {
    let ms = 1_900
    const large = 'x'.repeat(500)
    const { time, ask, askNow, keepAsking } = setUp({ msOf: ([input]) => (input === large ? ms : 20) })
    for (let at = 0; at < 20; at += 1) {
      void ask(large)
      await time.pass(deadlineMs)
    }
    ms = 20
    const busy = Array.from({ length: 8 }, () => keepAsking(time.clock() + 22_000))
    await time.pass(100)
    expect(await askNow(large)).toMatchObject({ code: 'overloaded' })
    await time.pass(20_000)
    const later = ask(large)
    await time.pass(deadlineMs)
    expect(await later).toMatchObject({ code: 'answered' })
    await time.pass(deadlineMs)
    await Promise.all(busy)
  })

  test.each([6_400, 290_000])(
    'after a full batch of a job that took %i ms refuses no calls that there is time for',
    async (fullMs) => {
      const msOf: Times = (inputs) => (inputs.length === 32 ? fullMs : inputs.length * usualMs)
      const { time, ask, askBatch } = setUp({ batchMax: 32, msOf })
      const job = askBatch(Array.from({ length: 32 }, () => 'a'))
      await time.pass(fullMs)
      await job
      for (let burst = 0; burst < 5; burst += 1) {
        const calls = Array.from({ length: 4 }, () => ask('a'))
        await time.pass(deadlineMs)
        expect(answeredOf(await Promise.all(calls))).toBe(4)
      }
    },
  )

  test('refuses no call without a deadline, such as one of a job', async () => {
    const { time, ask, arrive } = setUp()
    await arrive(2, usualMs)
    const calls = Array.from({ length: 50 }, () => ask('a', Number.POSITIVE_INFINITY))
    await time.pass(50 * usualMs)
    expect(answeredOf(await Promise.all(calls))).toBe(50)
  })
})
