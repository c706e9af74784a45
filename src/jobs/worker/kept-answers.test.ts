import { describe, expect, test } from 'vitest'
import { openTestJobs, requestOf } from '../../../test/support/open-test-jobs.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import { createInProcessJobStore } from '../../storage/sqlite/jobs/in-process-job-store.ts'
import { anyOwner } from '../job-service.ts'
import type { JobView } from '../view-job.ts'
import type { JobModel } from './ask-model.ts'

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at)

const refused = {
  type: 'urn:modelward:problem:input_invalid',
  title: 'Invalid input',
  status: 422,
  detail: 'too odd',
  code: 'input_invalid',
}

/** Takes slices of four, and refuses or fails each that has such an input in it. */
function pickyModel(isRefused: (input: number) => boolean, isFailing = (_: number) => false): JobModel {
  return {
    batchMax: 4,
    predict(inputs) {
      const numbers = inputs as readonly number[]
      if (numbers.some(isRefused)) throw new Refusal('input_invalid', 'too odd')
      if (numbers.some(isFailing)) throw new Fault('model_failed', 'for the log')
      return numbers.map((input) => input * 2)
    },
  }
}

async function endOf(model: JobModel, inputs: readonly number[]): Promise<JobView> {
  const models = new Map([['picky', model]])
  const { submit, jobs, time } = openTestJobs({ models, attemptsMax: 2 })
  const { id } = await submit({ model: 'picky', kind: 'batch', inputs })
  await time.pass(10_000)
  return jobs.get('acme', id)
}

describe('a batch', () => {
  test('has the answer of each input that the model takes, and the problem of each other, in its place', async () => {
    const job = await endOf(
      pickyModel((input) => input === 3 || input === 8),
      range(10),
    )
    expect(job).toMatchObject({ status: 'succeeded', errors: 2, error: null, attempts: 1 })
    expect(job.progress).toEqual({ done: 10, total: 10 })
    expect(job.result).toEqual([0, 2, 4, refused, 8, 10, 12, 14, refused, 18])
  })

  test('of which the model takes no input has failed, with the problem of each', async () => {
    const job = await endOf(
      pickyModel(() => true),
      range(3),
    )
    const error = { code: 'input_invalid', detail: 'too odd' }
    expect(job).toMatchObject({ status: 'failed', errors: 3, error, result: [refused, refused, refused] })
  })

  test('whose model fails on one input is tried again, and in its last attempt has that problem in its place', async () => {
    const none = () => false
    const job = await endOf(
      pickyModel(none, (input) => input === 5),
      range(8),
    )
    expect(job).toMatchObject({ status: 'succeeded', attempts: 2, errors: 1 })
    expect(job.result).toMatchObject([0, 2, 4, 6, 8, { code: 'model_failed', status: 502 }, 12, 14])
  })

  test('that is dead keeps what is done, and goes on behind it when an administrator retries it', async () => {
    const { submit, calls, time, jobs } = openTestJobs({ attemptsMax: 1 })
    const { id } = await submit({ model: 'slow', kind: 'batch', inputs: range(6) })
    calls[0]?.answer()
    await time.settle()
    // Both of a slice, and the first of the next: three in a row.
    for (const call of [1, 2, 3, 4, 5]) {
      calls[call]?.fail(new Fault('model_timeout', 'late'))
      await time.settle()
    }
    const progress = { done: 2, total: 6 }
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'dead', result: [[0], [1]], progress })
    await jobs.retry(anyOwner, id)
    expect(await jobs.get('acme', id)).toMatchObject({ result: null, progress, attempts: 1 })
    await time.settle()
    for (const call of [6, 7]) {
      calls[call]?.answer()
      await time.settle()
    }
    expect(calls.slice(6).map(({ inputs }) => inputs)).toEqual([
      [2, 3],
      [4, 5],
    ])
    expect((await jobs.get('acme', id)).result).toEqual(range(6).map((input) => [input]))
  })

  test('that is tried again asks for nothing twice that was answered', async () => {
    const { submit, calls, time, jobs } = openTestJobs()
    const { id } = await submit({ model: 'slow', kind: 'batch', inputs: range(4) })
    calls[0]?.answer()
    await time.settle()
    calls[1]?.fail(new Error('broke'))
    await time.pass(2_000)
    calls[2]?.answer()
    await time.settle()
    expect(calls[2]?.inputs).toEqual([2, 3])
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 2 })
  })

  test('that is cancelled keeps what is stored', async () => {
    const { submit, calls, time, jobs } = openTestJobs()
    const { id } = await submit({ model: 'slow', kind: 'batch', inputs: range(6) })
    calls[0]?.answer()
    await time.pass(1_000)
    const cancelled = { status: 'cancelled', result: [[0], [1]], progress: { done: 2, total: 6 } }
    expect(await jobs.cancel('acme', id)).toMatchObject(cancelled)
    expect(await jobs.get('acme', id)).toMatchObject(cancelled)
  })

  test('whose process was killed goes on where the last stored slice ended', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    // Once it has stored two slices it is never heard of again.
    let beats = 0
    const killed = openTestJobs({
      time,
      store: {
        ...store,
        extend: (...args) =>
          args[0][0]?.answers?.length && ++beats > 1 ? new Promise(() => {}) : store.extend(...args),
        settle: () => new Promise(() => {}),
      },
      concurrency: 1,
    })
    const { id } = await killed.submit({ model: 'slow', kind: 'batch', inputs: range(8) })
    for (const call of [0, 1]) {
      killed.calls[call]?.answer()
      await time.settle()
    }
    await time.pass(1_000)
    killed.calls[2]?.answer()
    await time.pass(40_000)
    const next = openTestJobs({ time, store })
    for (const call of [0, 1]) {
      await time.settle()
      next.calls[call]?.answer()
    }
    await time.settle()
    expect(next.calls.map(({ inputs }) => inputs)).toEqual([
      [4, 5],
      [6, 7],
    ])
    const result = range(8).map((input) => [input])
    expect(await next.jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 2, result })
  })

  test('whose answers find no room ends for that before its model has done it all', async () => {
    const pending: (() => void)[] = []
    const answer = 'a'.repeat(200)
    const predict = () =>
      new Promise<readonly string[]>((resolve) => {
        pending.push(() => resolve([answer]))
      })
    const models = new Map([['large', { batchMax: 1, predict }]])
    const { submit, time, jobs } = openTestJobs({ models, ownerBytesMax: 1_100 })
    const { id } = await submit({ model: 'large', kind: 'batch', inputs: range(6) })
    for (let call = 0; call < pending.length; call += 1) {
      pending[call]?.()
      await time.pass(1_000)
    }
    const error = { code: 'storage_exhausted' }
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'failed', error, result: [answer] })
    expect(pending.length).toBeLessThan(6)
  })
})

test('a batch that gives way with answers that find no room ends for that, and is recorded', async () => {
  const time = createTestTime()
  const model: JobModel = {
    batchMax: 1,
    predict: ([length]) =>
      new Promise((resolve) => void time.scheduler.after(2_000, () => resolve(['a'.repeat(Number(length))]))),
  }
  const { submit, jobs, events } = openTestJobs({
    ...{ models: new Map([['large', model]]), time, concurrency: 1, ownerBytesMax: 1_500 },
  })
  const { id } = await submit({ model: 'large', kind: 'batch', inputs: [2_000, 2_000] })
  await submit({ owner: 'b', model: 'large', kind: 'batch', inputs: range(100) })
  await time.pass(20_000)
  const error = { code: 'storage_exhausted' }
  expect(await jobs.get('acme', id)).toMatchObject({ status: 'failed', error, result: null })
  expect(events(id).at(-1)).toBe('job.failed')
})

describe('the slots of a model', () => {
  test.each([
    { concurrency: 2, batchMax: 2 },
    { concurrency: 4, batchMax: 4 },
  ])(
    'are shared: forty batches of one owner do not hold up the single job of another, and lose nothing: $concurrency',
    async (options) => {
      const { jobs, submit, calls, time } = openTestJobs(options)
      const many: string[] = []
      for (let batch = 0; batch < 40; batch += 1)
        many.push((await submit({ model: 'slow', kind: 'batch', inputs: range(10_000) })).id)
      const [first = ''] = many
      const other = await submit({ owner: 'b', model: 'slow', inputs: ['urgent'] })
      const urgent = () => calls.find(({ inputs }) => inputs[0] === 'urgent')
      // Each call takes a tenth of a second; all slots have one under way at any time.
      let answered = 0
      for (let tenths = 0; tenths < 40 && urgent() === undefined; tenths += 1) {
        for (; answered < calls.length; answered += 1) calls[answered]?.answer()
        await time.pass(100)
      }
      urgent()?.answer()
      await time.settle()
      expect(await jobs.get('b', other.id)).toMatchObject({ status: 'succeeded', attempts: 1 })
      const shown = await Promise.all(many.map((id) => jobs.get('acme', id)))
      const begun = shown.filter(({ progress }) => progress.done > 0)
      expect(begun.length).toBeGreaterThan(0)
      expect(begun.map(({ id }) => id)).toContain(first)
      // No input is asked for twice, and no turn counts as an attempt.
      const asked = calls.filter(({ inputs }) => inputs[0] === 0)
      expect(asked.length).toBeLessThanOrEqual(begun.length + options.concurrency)
      for (const { attempts } of shown) expect(attempts).toBeLessThanOrEqual(1)
    },
  )

  test('are used in turn by owners with one job each, whose work goes on where it was', async () => {
    const { submit, calls, time } = openTestJobs({ concurrency: 1 })
    for (const owner of ['a', 'b', 'c'])
      await submit({ owner, model: 'slow', kind: 'batch', inputs: range(1_000).map((at) => `${owner}${at}`) })
    for (let answered = 0, tenths = 0; tenths < 150; tenths += 1) {
      for (; answered < calls.length; answered += 1) calls[answered]?.answer()
      await time.pass(100)
    }
    for (const owner of ['a', 'b', 'c']) {
      const asked = calls
        .flatMap(({ inputs }) => inputs.map(String))
        .filter((input) => input.startsWith(owner))
      expect(asked.length).toBeGreaterThan(50)
      expect(asked).toEqual(range(asked.length).map((at) => `${owner}${at}`))
    }
  })

  test('are given up by the job that has run longest, whichever has stored answers last', async () => {
    const { submit, calls, time, events } = openTestJobs({ concurrency: 2 })
    const first = await submit({ model: 'slow', kind: 'batch', inputs: range(10) })
    await time.pass(10)
    const second = await submit({ model: 'slow', kind: 'batch', inputs: range(10) })
    calls[0]?.answer()
    await time.pass(300)
    await submit({ owner: 'b', model: 'slow' })
    await time.pass(1_000)
    for (const call of [1, 2]) calls[call]?.answer()
    await time.settle()
    const startsOf = (id: string) => events(id).filter((event) => event === 'job.started').length
    expect([startsOf(first.id), startsOf(second.id)]).toEqual([2, 1])
  })

  test('are given up while the model is overloaded', async () => {
    const { submit, calls, time, jobs } = openTestJobs({ concurrency: 1 })
    const { id } = await submit({ model: 'slow', kind: 'batch', inputs: range(4) })
    await submit({ owner: 'b', model: 'slow', inputs: ['urgent'] })
    let answered = 0
    for (let seconds = 0; seconds < 20; seconds += 1) {
      for (; answered < calls.length; answered += 1)
        if (calls[answered]?.inputs[0] !== 'urgent') calls[answered]?.fail(new Fault('overloaded', 'full'))
      await time.pass(1_000)
    }
    expect(calls.map(({ inputs }) => inputs[0])).toContain('urgent')
    expect(await jobs.get('acme', id)).toMatchObject({ attempts: 0, progress: { done: 0 } })
  })

  test('stay with an owner for whom no other waits', async () => {
    const { submit, calls, time, events, jobs } = openTestJobs({ concurrency: 1 })
    for (const _ of range(3)) await submit({ model: 'slow', kind: 'batch', inputs: range(40) })
    await jobs.submit({ ...requestOf('a'), owner: 'b' })
    for (let answered = 0, tenths = 0; tenths < 70; tenths += 1) {
      for (; answered < calls.length; answered += 1) calls[answered]?.answer()
      await time.pass(100)
    }
    expect(events().filter((event) => event === 'job.started')).toHaveLength(4)
  })
})
