import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import { textOfJson } from '../../core/written-json.ts'
import type { PredictOptions } from '../model.ts'
import type { BatchLane, CallAnswer } from './batch-lane.ts'
import { BatchQueue, type BatchQueueOptions } from './batch-queue.ts'

/** What a call comes to, by its first input and its place in the batch. */
type AnswerTo = (input: unknown, at: number) => CallAnswer | undefined

interface StartedBatch {
  readonly inputs: readonly unknown[]
  readonly at: number
  isAborted: boolean
  /** Answers each call with its own inputs, or as it is told. */
  readonly succeed: (answerTo?: AnswerTo) => void
  readonly fail: (reason?: unknown) => void
}

function jsonOf(inputs: readonly unknown[]): Uint8Array {
  return Buffer.from(JSON.stringify(inputs).slice(1, -1))
}

/** A thread that ends its batches when told. Answers each input with itself. */
class FakeLane implements BatchLane {
  isBusy = false
  readonly #started: StartedBatch[]
  readonly #clock: Clock

  constructor(started: StartedBatch[], clock: Clock) {
    this.#started = started
    this.#clock = clock
  }

  readonly start: BatchLane['start'] = (calls) => {
    if (this.isBusy) throw new Error('a lane was given two batches at once')
    this.isBusy = true
    const { promise: answers, resolve, reject } = Promise.withResolvers<readonly CallAnswer[]>()
    const isFree = () => {
      this.isBusy = false
    }
    const batch: StartedBatch = {
      inputs: calls.flatMap(({ inputs }) => inputs),
      at: this.#clock(),
      isAborted: false,
      succeed: (answerTo) =>
        resolve(calls.map(({ inputs }, at) => answerTo?.(inputs[0], at) ?? jsonOf(inputs))),
      fail: (reason = new Fault('model_failed', 'failed')) => reject(reason),
    }
    this.#started.push(batch)
    return {
      answers,
      free: answers.then(isFree, isFree),
      abort: () => {
        batch.isAborted = true
        batch.fail()
      },
    }
  }
}

/** Lets every promise that can settle do so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function setUp(options: Partial<BatchQueueOptions> & { readonly threads?: number } = {}) {
  const { threads = 1, ...given } = options
  const time = createTestTime()
  const started: StartedBatch[] = []
  const lanes = Array.from({ length: threads }, () => new FakeLane(started, time.clock))
  const queue = new BatchQueue({
    name: 'm',
    lanes,
    batchMax: 4,
    batchDelayMs: 0,
    waitingMax: 100,
    answerBytesMax: 1_000,
    scheduler: time.scheduler,
    monotonic: time.clock,
    ...given,
  })
  const ask = (inputs: readonly unknown[], call: PredictOptions & { readonly deadlineMs?: number } = {}) =>
    outcomeOf(queue.predict({ inputs, writes: 'outputs' }, { deadlineMs: 1_000, ...call }))
  return { queue, time, started, ask, inputsOf: () => started.map(({ inputs }) => inputs) }
}

/** The outputs of a call, or the code of its fault. */
async function outcomeOf(answer: Promise<Uint8Array>): Promise<unknown> {
  try {
    return JSON.parse(`[${textOfJson(await answer)}]`)
  } catch (error) {
    return error instanceof Fault ? error.code : (error as Error).message
  }
}

describe('the batch queue', () => {
  test('without a delay, a call on an idle thread starts within the same turn', () => {
    const { ask, inputsOf } = setUp()
    void ask(['a'])
    expect(inputsOf()).toEqual([['a']])
  })

  test('with a delay, a lone call waits that long and no longer', async () => {
    const { ask, inputsOf, time } = setUp({ batchDelayMs: 5 })
    void ask(['a'])
    await time.pass(4)
    expect(inputsOf()).toEqual([])
    await time.pass(1)
    expect(inputsOf()).toEqual([['a']])
  })

  test('a lone call that leaves during its delay leaves no timer behind', async () => {
    const { ask, time } = setUp({ batchDelayMs: 5 })
    const leave = new AbortController()
    const answer = ask(['a'], { signal: leave.signal })
    leave.abort(new Error('left'))
    expect(await answer).toBe('left')
    expect(time.timers()).toBe(0)
  })

  test('a full batch does not wait', () => {
    const { ask, inputsOf } = setUp({ batchDelayMs: 5 })
    for (const input of ['a', 'b', 'c', 'd']) void ask([input])
    expect(inputsOf()).toEqual([['a', 'b', 'c', 'd']])
  })

  test('what has waited for a thread longer than the delay starts as soon as one is free', async () => {
    const { ask, inputsOf, started, time } = setUp({ batchDelayMs: 5, batchMax: 2 })
    void ask(['a', 'b'])
    void ask(['c'])
    await time.pass(6)
    started[0]?.succeed()
    await settled()
    expect(inputsOf()).toEqual([['a', 'b'], ['c']])
  })

  test('a call that does not fit starts the next batch, and keeps its place', async () => {
    const { ask, inputsOf, started } = setUp()
    void ask(['first'])
    void ask(['a', 'b', 'c'])
    void ask(['d', 'e'])
    void ask(['f'])
    started[0]?.succeed()
    await settled()
    started[1]?.succeed()
    await settled()
    expect(inputsOf()).toEqual([['first'], ['a', 'b', 'c'], ['d', 'e', 'f']])
  })

  test('a batch that fails is run again one call at a time, and only the culprit fails', async () => {
    const { ask, inputsOf, started } = setUp()
    void ask(['first'])
    const answers = ['a', 'poison', 'b'].map((input) => ask([input]))
    started[0]?.succeed()
    await settled()
    started[1]?.fail()
    for (let at = 2; at <= 4; at += 1) {
      await settled()
      if (started[at]?.inputs.includes('poison')) started[at]?.fail()
      else started[at]?.succeed()
    }
    expect(await Promise.all(answers)).toEqual([['a'], 'model_failed', ['b']])
    expect(inputsOf().slice(1)).toEqual([['a', 'poison', 'b'], ['a'], ['poison'], ['b']])
  })

  test('a call whose answer is too large fails alone, without another run', async () => {
    const { ask, inputsOf, started, queue } = setUp()
    void ask(['first'])
    const answers = ['a', 'huge', 'b'].map((input) => ask([input]))
    started[0]?.succeed()
    await settled()
    started[1]?.succeed((input) => (input === 'huge' ? 'too large' : undefined))
    expect(await Promise.all(answers)).toEqual([['a'], 'model_failed', ['b']])
    await settled()
    expect(inputsOf()).toEqual([['first'], ['a', 'huge', 'b']])
    expect(queue.load()).toEqual({ waiting: 0, running: 0 })
  })

  test('calls whose answers have no room beside the others are run again, each by itself', async () => {
    const { ask, inputsOf, started } = setUp()
    void ask(['first'])
    const answers = ['a', 'large', 'b', 'larger'].map((input) => ask([input]))
    started[0]?.succeed()
    await settled()
    started[1]?.succeed((input) => (String(input).startsWith('large') ? 'no room' : undefined))
    await settled()
    started[2]?.succeed()
    await settled()
    started[3]?.succeed()
    expect(await Promise.all(answers)).toEqual([['a'], ['large'], ['b'], ['larger']])
    expect(inputsOf().slice(2)).toEqual([['large'], ['larger']])
  })

  test('an input that never ends leaves the others of its batch the time to be answered', async () => {
    const { ask, started, time } = setUp()
    void ask(['first'])
    const answers = ['poison', 'a', 'b'].map((input) => ask([input]))
    started[0]?.succeed()
    await settled()
    await time.pass(500)
    expect(started[1]?.isAborted).toBe(true)
    await time.pass(125)
    expect(started[2]).toMatchObject({ inputs: ['poison'], isAborted: true })
    started[3]?.succeed()
    await settled()
    started[4]?.succeed()
    expect(await Promise.all(answers)).toEqual(['model_timeout', ['a'], ['b']])
  })

  test('a call alone has its whole deadline', async () => {
    const { ask, started, time } = setUp()
    const answer = ask(['a'])
    await time.pass(999)
    expect(started[0]?.isAborted).toBe(false)
    await time.pass(1)
    expect(started[0]?.isAborted).toBe(true)
    expect(await answer).toBe('model_timeout')
  })

  test('a deadline counts the time in the queue, and what it ends never starts', async () => {
    const { ask, inputsOf, started, time, queue } = setUp()
    void ask(['first'], { deadlineMs: 5_000 })
    const late = ask(['late'], { deadlineMs: 100 })
    await time.pass(100)
    expect(await late).toBe('model_timeout')
    expect(queue.load()).toEqual({ waiting: 0, running: 1 })
    started[0]?.succeed()
    await settled()
    expect(inputsOf()).toEqual([['first']])
  })

  test('a running batch is aborted only when all its calls have gone', async () => {
    const { ask, started, time } = setUp()
    void ask(['first'])
    const leavers: (() => void)[] = []
    const onClientGone = (leave: () => void) => leavers.push(leave)
    const answers = ['a', 'b'].map((input) => ask([input], { onClientGone }))
    started[0]?.succeed()
    await settled()
    leavers[0]?.()
    expect(started[1]?.isAborted).toBe(false)
    leavers[1]?.()
    expect(started[1]?.isAborted).toBe(true)
    expect(await Promise.all(answers)).toEqual(['the client went away', 'the client went away'])
    await settled()
    expect(time.timers()).toBe(0)
  })

  test('a call whose signal has aborted already takes no place', async () => {
    const { ask, inputsOf } = setUp()
    expect(await ask(['a'], { signal: AbortSignal.abort(new Error('enough')) })).toBe('enough')
    expect(inputsOf()).toEqual([])
  })

  test('a call whose client has gone before it is asked takes no place', async () => {
    const { ask, inputsOf, queue, time } = setUp()
    expect(await ask(['a'], { onClientGone: (leave) => leave() })).toBe('the client went away')
    expect(inputsOf()).toEqual([])
    expect(queue.load()).toEqual({ waiting: 0, running: 0 })
    expect(time.timers()).toBe(0)
  })

  test('more inputs than may wait are refused at once', async () => {
    const { ask, queue } = setUp({ waitingMax: 4 })
    void ask(['first'])
    void ask(['a', 'b', 'c'])
    expect(await ask(['d', 'e'])).toBe('overloaded')
    void ask(['f'])
    expect(queue.load()).toEqual({ waiting: 4, running: 1 })
  })
})

/**
 * What comes of such a call: its answer; the end of its batch; no room beside others; an answer
 * that is too large.
 */
const kinds = ['input', 'poison', 'large', 'huge'] as const

const answerByKind: AnswerTo = (input, at) => {
  if (String(input).startsWith('huge')) return 'too large'
  return String(input).startsWith('large') && at > 0 ? 'no room' : undefined
}

type Step =
  | {
      readonly step: 'ask'
      readonly size: number
      readonly deadlineMs: number
      readonly kind: (typeof kinds)[number]
    }
  | { readonly step: 'pass'; readonly ms: number }
  | { readonly step: 'end'; readonly batch: number }
  | { readonly step: 'leave'; readonly call: number }

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        step: fc.constant('ask' as const),
        size: fc.integer({ min: 1, max: 4 }),
        deadlineMs: fc.constantFrom(50, 1_000, 100_000),
        kind: fc.constantFrom(...kinds),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ step: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 60 }) }),
    },
    { weight: 4, arbitrary: fc.record({ step: fc.constant('end' as const), batch: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('leave' as const), call: fc.nat(20) }) },
  ),
  { maxLength: 60 },
)

test('whatever comes, in whatever order: every call is answered, with its own outputs or its own fault', async () => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(0, 10),
      async (history, threads, batchDelayMs) => {
        const { ask, started, time, queue } = setUp({ threads, batchDelayMs, waitingMax: 20 })
        const calls: {
          readonly inputs: readonly string[]
          readonly leave: AbortController
          readonly answer: Promise<unknown>
        }[] = []
        const ended = new Set<StartedBatch>()
        const end = (batch: StartedBatch): void => {
          ended.add(batch)
          if (batch.inputs.some((input) => String(input).startsWith('poison'))) batch.fail()
          else batch.succeed(answerByKind)
        }
        for (const step of history) {
          if (step.step === 'pass') await time.pass(step.ms)
          if (step.step === 'leave') calls[step.call]?.leave.abort(new Error('left'))
          if (step.step === 'end') {
            const open = started.filter((batch) => !ended.has(batch) && !batch.isAborted)
            const batch = open[step.batch]
            if (batch !== undefined) end(batch)
            await settled()
          }
          if (step.step === 'ask') {
            const inputs = Array.from({ length: step.size }, (_, at) => `${step.kind} ${calls.length} ${at}`)
            const leave = new AbortController()
            calls.push({
              inputs,
              leave,
              answer: ask(inputs, { deadlineMs: step.deadlineMs, signal: leave.signal }),
            })
          }
        }
        // Whatever is still under way ends, one batch after the other, within the time that calls
        // have left.
        for (let at = 0; at < started.length || queue.load().waiting > 0; at += 1) {
          if (at >= started.length) await time.pass(batchDelayMs)
          const batch = started[at]
          if (batch !== undefined && !ended.has(batch)) end(batch)
          await settled()
        }
        for (const { inputs, answer } of calls) {
          const outcome = await answer
          if (Array.isArray(outcome)) expect(outcome).toEqual(inputs)
          else
            expect(outcome).toBeOneOf([
              'model_timeout',
              'overloaded',
              'left',
              ...(/^(poison|huge)/.test(inputs[0] ?? '') ? ['model_failed'] : []),
            ])
        }
        for (const { inputs } of started) expect(inputs.length).toBeLessThanOrEqual(4)
        expect(queue.load()).toEqual({ waiting: 0, running: 0 })
        expect(time.timers()).toBe(0)
      },
    ),
    { numRuns: 500 },
  )
})
