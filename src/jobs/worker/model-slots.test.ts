import { describe, expect, test } from 'vitest'
import { openTestJobs } from '../../../test/support/open-test-jobs.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Refusal } from '../../core/refusal.ts'
import type { JobStore } from '../../storage/job-store.ts'
import { createInProcessJobStore } from '../../storage/sqlite/jobs/in-process-job-store.ts'
import type { JobModel } from './ask-model.ts'

const inputs = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `${index}`)

describe('many jobs', () => {
  test('no more run at once than may, and a free slot is taken at once', async () => {
    const { submit, calls, time } = openTestJobs({ concurrency: 2 })
    for (let job = 0; job < 3; job += 1) await submit({ model: 'slow' })
    expect(calls).toHaveLength(2)
    calls[0]?.answer()
    await time.settle()
    expect(calls).toHaveLength(3)
  })

  test('whose inputs are large wait for each other, and hold up none of another model', async () => {
    const { submit, calls, time, jobs } = openTestJobs()
    const large = 'a'.repeat(20 * 1_048_576)
    for (let job = 0; job < 3; job += 1) await submit({ model: 'slow', inputs: [large] })
    expect(calls).toHaveLength(2)
    const { id } = await submit({ model: 'echo', owner: 'other' })
    expect(await jobs.get('other', id)).toMatchObject({ status: 'succeeded' })
    calls[0]?.fail(new Refusal('input_invalid'))
    await time.settle()
    expect(calls).toHaveLength(3)
  })

  test('of a model whose slots are all taken hold up none of another model', async () => {
    const { submit, calls, jobs, time } = openTestJobs({ concurrency: 2 })
    for (let job = 0; job < 5; job += 1) await submit({ model: 'slow' })
    expect(calls).toHaveLength(2)
    for (let job = 0; job < 5; job += 1) {
      const { id } = await submit({ model: 'echo' })
      expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded' })
    }
    expect(calls).toHaveLength(2)
    calls[0]?.answer()
    await time.settle()
    expect(calls).toHaveLength(3)
  })

  test('run at once as many as their model says, and no more of their inputs are with it', async () => {
    const asked: number[] = []
    const model: JobModel = {
      batchMax: 2,
      concurrency: 3,
      predict: (slice) => {
        asked.push(slice.length)
        return new Promise(() => {})
      },
    }
    const { submit, jobs } = openTestJobs({ models: new Map([['own', model]]) })
    for (const size of [2, 2, 1, 1]) await submit({ model: 'own', kind: 'batch', inputs: inputs(size) })
    expect(await jobs.counts()).toEqual({ queued: 1, running: 3 })
    expect(asked).toEqual([2])
  })

  test('are taken up together: an end alone asks for no more where the last claim has left none', async () => {
    const memory = createInProcessJobStore()
    let claims = 0
    const store: JobStore = {
      ...memory,
      claim(ask) {
        claims += 1
        return memory.claim(ask)
      },
    }
    const waiting = openTestJobs({ store, concurrency: 0 })
    for (let job = 0; job < 100; job += 1) await waiting.submit({ model: 'slow' })
    const { calls, time } = openTestJobs({ store })
    await time.settle()
    expect(calls).toHaveLength(100)
    for (const call of calls) call.answer()
    await time.settle()
    expect(await store.countJobs()).toEqual({ queued: 0, running: 0 })
    expect(claims).toBe(1)
  })

  test('whose leases ran out are found while jobs of another model keep coming', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    const { id } = await openTestJobs({ time, store, concurrency: 0 }).submit({ model: 'slow' })
    // By a worker that is never heard of again.
    const [now, until] = [time.clock(), time.clock() + 30_000]
    await store.claim({ max: 1, now, until, models: ['slow'], keepMs: 1 })
    const busy = openTestJobs({ time, store })
    for (let passed = 0; passed < 32_000; passed += 500) {
      await busy.submit({ model: 'echo' })
      await time.pass(500)
    }
    expect(busy.calls).toHaveLength(1)
    busy.calls[0]?.answer()
    await time.settle()
    expect(await busy.jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 2 })
  })

  test('whenever a job comes, it begins without any time passing, as the last look ends too', async () => {
    for (let turns = 0; turns < 40; turns += 1) {
      const { submit, calls } = openTestJobs()
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      await submit({ model: 'slow' })
      expect([turns, calls.length]).toEqual([turns, 1])
    }
  })

  test('of one owner do not hold up another owner', async () => {
    const { submit, calls, time } = openTestJobs({ concurrency: 1 })
    for (const input of ['a1', 'a2', 'a3']) await submit({ model: 'slow', inputs: [input] })
    await submit({ model: 'slow', owner: 'b', inputs: ['b1'] })
    for (let call = 0; call < 4; call += 1) {
      calls[call]?.answer()
      await time.settle()
    }
    // `b` came when it was the turn of `a`, once.
    expect(calls.map((call) => call.inputs[0])).toEqual(['a1', 'a2', 'b1', 'a3'])
  })
})
