import { describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../test/adapters/fake-ledger.ts'
import { openTestJobs, type TestJobs } from '../../../test/support/open-test-jobs.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import type { LedgerEntry } from '../../ledger/format/record.ts'
import { anyOwner } from '../job-service.ts'
import type { JobView } from '../view-job.ts'
import type { JobModel } from './ask-model.ts'

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at)

/** What a model throws when it is asked for these at once. */
type Trouble = (inputs: readonly number[]) => Refusal | Fault | undefined

function failsOn(...failing: readonly number[]): Trouble {
  return (inputs) =>
    inputs.some((input) => failing.includes(input)) ? new Fault('model_failed', 'for the log') : undefined
}

const refuses: Trouble = () => new Refusal('input_invalid', 'too odd')

interface Opened extends TestJobs {
  /** The inputs of each call so far. */
  readonly asked: (readonly number[])[]
  readonly batchOf: (inputs: readonly number[]) => Promise<JobView>
}

interface ModelOptions {
  readonly batchMax: number
  readonly trouble: Trouble
  /** Milliseconds of each call. @default it answers at once */
  readonly callMs?: (inputs: readonly number[]) => number
}

function open(
  { batchMax, trouble, callMs }: ModelOptions,
  options: Parameters<typeof openTestJobs>[0] = {},
): Opened {
  const { time = createTestTime() } = options
  const asked: (readonly number[])[] = []
  const predict: JobModel['predict'] = (inputs) => {
    const numbers = inputs as readonly number[]
    asked.push(numbers)
    const thrown = trouble(numbers)
    if (callMs !== undefined)
      return new Promise((resolve, reject) => {
        time.scheduler.after(callMs(numbers), () =>
          thrown === undefined ? resolve(numbers) : reject(thrown),
        )
      })
    if (thrown !== undefined) throw thrown
    return numbers
  }
  const models = new Map([['m', { batchMax, predict }]])
  const opened = openTestJobs({ models, attemptsMax: 2, ...options, time })
  return {
    ...opened,
    asked,
    batchOf: (inputs) => opened.submit({ model: 'm', kind: 'batch', inputs }),
  }
}

async function endOf(jobs: Opened, inputs: readonly number[], ms = 20_000): Promise<JobView> {
  const { id } = await jobs.batchOf(inputs)
  await jobs.time.pass(ms)
  return jobs.jobs.get('acme', id)
}

const failed = { code: 'model_failed', status: 502 }

describe('a batch of refused inputs', () => {
  test.each([
    [1, 32],
    [32, 63],
  ])(
    'of a model that takes %i at once has a turn of the event loop for each of its %i calls',
    async (batchMax, calls) => {
      let turn = 0
      const turnOfCall: number[] = []
      const jobs = open({
        batchMax,
        trouble(inputs) {
          turnOfCall.push(turn)
          return refuses(inputs)
        },
      })
      const count = (): void => {
        turn += 1
        counting = setImmediate(count)
      }
      let counting = setImmediate(count)
      const { id } = await jobs.batchOf(range(32))
      expect(await jobs.ended(id)).toMatchObject({ status: 'failed', errors: 32 })
      clearImmediate(counting)
      expect(turnOfCall).toHaveLength(calls)
      expect(new Set(turnOfCall).size).toBe(calls)
    },
  )

  test('gives way between its halves, and goes on behind what is done', async () => {
    const jobs = open({ batchMax: 8, trouble: refuses, callMs: () => 600 }, { concurrency: 1 })
    const { id } = await jobs.batchOf(range(8))
    await jobs.submit({ owner: 'b', model: 'm', inputs: [99] })
    await jobs.time.pass(30_000)
    const urgent = jobs.asked.findIndex(([input]) => input === 99)
    expect(urgent).toBeGreaterThan(0)
    expect(urgent).toBeLessThan(10)
    expect(await jobs.jobs.get('acme', id)).toMatchObject({ status: 'failed', errors: 8, attempts: 1 })
    expect(jobs.asked.length).toBeLessThan(25)
  })

  test('that is cancelled asks for none of the halves that are left', async () => {
    const jobs = open({ batchMax: 8, trouble: refuses, callMs: () => 600 })
    const { id } = await jobs.batchOf(range(8))
    await jobs.time.pass(1_500)
    const before = jobs.asked.length
    await jobs.jobs.cancel('acme', id)
    await jobs.time.pass(10_000)
    expect(jobs.asked).toHaveLength(before)
  })
})

describe('a batch whose model fails on inputs by themselves', () => {
  test('has a problem in the place of one, though the model takes one at a time', async () => {
    const job = await endOf(open({ batchMax: 1, trouble: failsOn(2) }), range(5))
    expect(job).toMatchObject({ status: 'succeeded', errors: 1, attempts: 2, result: [0, 1, failed, 3, 4] })
  })

  test('has a problem in the place of the last, though that is a slice of its own', async () => {
    const job = await endOf(open({ batchMax: 4, trouble: failsOn(4) }), range(5))
    expect(job).toMatchObject({ status: 'succeeded', errors: 1, result: [0, 1, 2, 3, failed] })
  })

  test('is dead where it fails on three in a row, and goes on at the first of them when it is retried', async () => {
    const failing = [3, 4, 5]
    const jobs = open({ batchMax: 1, trouble: (inputs) => failsOn(...failing)(inputs) })
    const job = await endOf(jobs, range(7))
    expect(job).toMatchObject({
      status: 'dead',
      errors: 0,
      result: [0, 1, 2],
      error: { code: 'model_failed' },
    })
    failing.length = 0
    jobs.asked.length = 0
    await jobs.jobs.retry(anyOwner, job.id)
    await jobs.time.settle()
    expect(jobs.asked).toEqual([[3], [4], [5], [6]])
    expect(await jobs.jobs.get('acme', job.id)).toMatchObject({ status: 'succeeded', result: range(7) })
  })

  test('is dead where it answers none', async () => {
    const job = await endOf(open({ batchMax: 2, trouble: failsOn(0, 1) }), range(2))
    expect(job).toMatchObject({ status: 'dead', errors: 0, result: null })
  })

  test('is dead after ten of them, with what is done: a model that crashes is not asked thousands of times', async () => {
    const odd: Trouble = (inputs) =>
      inputs.some((input) => input % 2 === 1) ? new Fault('model_failed', 'for the log') : undefined
    const jobs = open({ batchMax: 32, trouble: odd })
    const job = await endOf(jobs, range(2_000))
    expect(job).toMatchObject({ status: 'dead', errors: 10, progress: { done: 21, total: 2_000 } })
    expect(job.error).toEqual({ code: 'model_failed', detail: 'The model failed on more than 10 inputs.' })
    expect(jobs.asked.length).toBeLessThan(100)
  })
})

describe('a batch whose slices take longer than the deadline', () => {
  const deadlineMs = 5_000

  test('is answered in smaller ones in its last attempt, and asked in no larger ones again', async () => {
    const callMs = (inputs: readonly number[]) => inputs.length * 2_000
    const jobs = open({ batchMax: 8, trouble: () => undefined, callMs }, { deadlineMs })
    const job = await endOf(jobs, range(24), 120_000)
    expect(job).toMatchObject({ status: 'succeeded', errors: 0, attempts: 2, result: range(24) })
    expect(jobs.asked.map(({ length }) => length)).toEqual([8, 8, 4, ...Array<number>(12).fill(2)])
  })

  test('has a problem in the place of the one that is at fault, and goes on in whole slices', async () => {
    const callMs = (inputs: readonly number[]) => (inputs.includes(3) ? 60_000 : 100)
    const jobs = open({ batchMax: 8, trouble: () => undefined, callMs }, { deadlineMs })
    const job = await endOf(jobs, range(24), 120_000)
    expect(job).toMatchObject({ status: 'succeeded', errors: 1 })
    expect(job.result).toMatchObject({ 2: 2, 3: { code: 'model_timeout', status: 504 }, 4: 4 })
    expect(jobs.asked.map(({ length }) => length)).toEqual([8, 8, 4, 2, 2, 1, 1, 4, 8, 8])
  })
})

test('a batch that gives way has done a slice, however long its beginning took', async () => {
  const time = createTestTime()
  const ledger = createFakeLedger()
  const slow = Object.assign(createFakeLedger(), {
    async append(entry: LedgerEntry) {
      if (entry.event === 'job.started')
        await new Promise<void>((resolve) => void time.scheduler.after(3_000, resolve))
      await ledger.append(entry)
    },
  })
  const trouble: Trouble = () => undefined
  const jobs = open({ batchMax: 4, trouble, callMs: () => 100 }, { concurrency: 1, time, ledger: slow })
  const ids: string[] = []
  for (const owner of ['acme', 'b'])
    ids.push((await jobs.submit({ owner, model: 'm', kind: 'batch', inputs: range(8) })).id)
  await time.pass(60_000)
  for (const id of ids)
    expect(await jobs.jobs.get(anyOwner, id)).toMatchObject({ status: 'succeeded', attempts: 1 })
})
