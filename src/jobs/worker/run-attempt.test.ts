import { expect, test } from 'vitest'
import { openTestJobs, requestOf } from '../../../test/support/open-test-jobs.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import { processScheduler } from '../../core/scheduler.ts'
import type { JobView } from '../view-job.ts'
import type { JobModel } from './ask-model.ts'

/** Never answers, and does not look at its signal either. */
function stuckModel(): { readonly model: JobModel; readonly signals: AbortSignal[] } {
  const signals: AbortSignal[] = []
  const model: JobModel = {
    batchMax: 1,
    predict(_inputs, { signal }) {
      signals.push(signal)
      return new Promise(() => {})
    },
  }
  return { model, signals }
}

test('of jobs with large inputs no more run at once than memory has room for, and the next follows at once', async () => {
  const { jobs, calls, store, time } = openTestJobs()
  const inputs = ['a'.repeat(8 * 1_048_576)]
  for (let job = 0; job < 6; job += 1)
    await jobs.submit({ ...requestOf(), kind: 'single', model: 'slow', inputs })
  await time.settle()
  expect(await store.countJobs()).toEqual({ queued: 2, running: 4 })
  calls[0]?.answer()
  await time.settle()
  expect(await store.countJobs()).toEqual({ queued: 1, running: 4 })
})

test('a model that never answers is aborted at its deadline, and its job is tried again, dead in the end', async () => {
  const { model, signals } = stuckModel()
  const models = new Map([['stuck', model]])
  const { submit, jobs, time } = openTestJobs({ models, deadlineMs: 5_000, concurrency: 1, attemptsMax: 2 })
  const { id } = await submit({ model: 'stuck' })
  await time.pass(4_999)
  expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  await time.pass(20_000)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  expect(await jobs.get('acme', id)).toMatchObject({
    status: 'dead',
    attempts: 2,
    error: { code: 'model_timeout' },
  })
})

test('where nothing is said of a deadline a model has five minutes, so that no slot is lost for good', async () => {
  const { model, signals } = stuckModel()
  const { submit, time } = openTestJobs({
    models: new Map([['stuck', model]]),
    concurrency: 1,
    attemptsMax: 1,
  })
  await submit({ model: 'stuck' })
  await submit({ model: 'stuck' })
  await time.pass(299_999)
  expect(signals).toHaveLength(1)
  await time.pass(1)
  expect(signals).toHaveLength(2)
})

/** How a job with three inputs ends, two of which fit into a slice. */
async function endOf(predict: JobModel['predict'], resultBytesMax = 1_000): Promise<JobView> {
  const models = new Map([['written', { batchMax: 2, predict }]])
  const { submit, ended } = openTestJobs({ models, attemptsMax: 1, resultBytesMax })
  return ended((await submit({ model: 'written', kind: 'batch', inputs: [1, 2, 3] })).id)
}

test('what a model has written stands in the result as it is, and its bytes are bounded', async () => {
  const predict: JobModel['predict'] = (inputs) => JSON.stringify(inputs)
  expect(await endOf(predict)).toMatchObject({ status: 'succeeded', result: [1, 2, 3] })
  expect(await endOf(predict, 6)).toMatchObject({ status: 'succeeded', result: [1, 2, 3] })
  expect(await endOf(predict, 5)).toMatchObject({ status: 'failed', error: { code: 'model_failed' } })
})

test('a text that is no array is no answer', async () => {
  expect(await endOf(() => 'one, two')).toMatchObject({ status: 'dead', error: { code: 'model_failed' } })
})

test('a job whose model fails in a way that comes again is not tried again', async () => {
  const end = await endOf(() => {
    throw new Fault('model_failed', 'for the log', { detail: 'Too large.' })
  })
  expect(end).toMatchObject({ status: 'failed', error: { code: 'model_failed', detail: 'Too large.' } })
})

test('a job that goes on behind megabytes of inputs lets others have their turn on the way', async () => {
  const time = createTestTime()
  let yields = 0
  const yieldTurn = (): Promise<void> => {
    yields += 1
    return time.scheduler.yieldTurn()
  }
  let calls = 0
  const model: JobModel = {
    batchMax: 1_000,
    predict(inputs) {
      calls += 1
      if (calls === 2) throw new Error('broke')
      return inputs
    },
  }
  const models = new Map([['large', model]])
  const { submit, jobs } = openTestJobs({ models, time, scheduler: { ...time.scheduler, yieldTurn } })
  const inputs = Array.from({ length: 1_500 }, () => 'a'.repeat(1_000))
  const { id } = await submit({ model: 'large', kind: 'batch', inputs })
  const before = yields
  await time.pass(1_000)
  expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 2 })
  expect(calls).toBe(3)
  expect(yields - before).toBeGreaterThanOrEqual(15)
})

test('waiting for a place in the model is no attempt, and uses none of the deadline up', async () => {
  let answer = (): void => {}
  const model: JobModel = {
    batchMax: 1,
    predict(_inputs, { onQueued }) {
      onQueued()
      return new Promise((resolve) => {
        answer = () => resolve(['late'])
      })
    },
  }
  const { submit, jobs, time } = openTestJobs({ models: new Map([['busy', model]]), deadlineMs: 5_000 })
  const { id } = await submit({ model: 'busy' })
  await time.pass(1_200_000)
  expect(await jobs.get('acme', id)).toMatchObject({ status: 'running', attempts: 1 })
  answer()
  await time.settle()
  expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', result: 'late', attempts: 1 })
})

test('a model that answers requests within 5 s has as long as jobs have, and longer where it says so', async () => {
  const asked: number[] = []
  const modelOf = (deadlineMs: number): JobModel => ({
    batchMax: 1,
    deadlineMs,
    predict(inputs, call) {
      asked.push(call.deadlineMs)
      return inputs
    },
  })
  const models = new Map([
    ['short', modelOf(5_000)],
    ['long', modelOf(900_000)],
  ])
  const { submit } = openTestJobs({ models })
  await submit({ model: 'short' })
  await submit({ model: 'long' })
  expect(asked).toEqual([300_000, 900_000])
})

/** What a model is asked for, in characters, by turn of the event loop. */
function countTurns(): { readonly predict: JobModel['predict']; readonly turns: number[]; stop(): void } {
  const turns: number[] = [0]
  let isOver = false
  const next = (): void => {
    if (turns.at(-1) !== 0) turns.push(0)
    if (!isOver) setImmediate(next)
  }
  setImmediate(next)
  return {
    turns,
    predict(inputs) {
      turns[turns.length - 1] = inputs.reduce<number>(
        (sum, input) => sum + String(input).length,
        turns.at(-1) ?? 0,
      )
      return inputs
    },
    stop() {
      isOver = true
    },
  }
}

test.each(['single', 'batch'] as const)(
  'of %s jobs with long texts a model is asked for a few in a turn of the event loop',
  async (kind) => {
    const { predict, turns, stop } = countTurns()
    const scheduler = { ...createTestTime().scheduler, yieldTurn: processScheduler.yieldTurn }
    const models = new Map([['counted', { batchMax: 32, sliceCharactersMax: 16_384, predict }]])
    const { jobs, ended } = openTestJobs({ models, scheduler })
    const text = 'a'.repeat(10_000)
    const inputs = kind === 'single' ? [text] : Array.from({ length: 40 }, () => text)
    const submitted = await Promise.all(
      Array.from({ length: 40 }, () => jobs.submit({ ...requestOf(), model: 'counted', kind, inputs })),
    )
    for (const outcome of submitted) if ('job' in outcome) await ended(outcome.job.id)
    stop()
    expect(turns.reduce((sum, characters) => sum + characters)).toBe(40 * 10_000 * inputs.length)
    expect(Math.max(...turns)).toBeLessThanOrEqual(2 * 16_384 + 10_000)
  },
)
