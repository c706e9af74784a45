import { describe, expect, test } from 'vitest'
import { openTestJobs, requestOf } from '../../../test/support/open-test-jobs.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import type { JobStore } from '../../storage/job-store.ts'
import { createInProcessJobStore } from '../../storage/sqlite/jobs/in-process-job-store.ts'
import { anyOwner } from '../job-service.ts'

const inputs = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `${index}`)

describe('a job', () => {
  test('of one input has that answer for its result; a batch has a list, in the order of its inputs', async () => {
    const { jobs, ended } = openTestJobs()
    const single = await jobs.submit(requestOf('a'))
    const batch = await jobs.submit(requestOf('a', 'b', 'c'))
    expect(await ended(single.job.id)).toMatchObject({ status: 'succeeded', result: ['a'], error: null })
    expect(await ended(batch.job.id)).toMatchObject({
      result: [['a'], ['b'], ['c']],
      progress: { done: 3, total: 3 },
    })
  })

  test('is worked on in slices of the most that its model takes', async () => {
    const { submit, calls, time, jobs } = openTestJobs()
    const { id } = await submit({ model: 'slow', kind: 'batch', inputs: inputs(5) })
    for (let call = 0; call < 3; call += 1) {
      calls[call]?.answer()
      await time.settle()
    }
    expect(calls.map((call) => call.inputs)).toEqual([['0', '1'], ['2', '3'], ['4']])
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded' })
  })

  test('lets others have their turn between slices, however fast its model is', async () => {
    const { jobs, ended } = openTestJobs()
    let turns = 0
    const count = (): void => {
      turns += 1
      counting = setImmediate(count)
    }
    let counting = setImmediate(count)
    const { job } = await jobs.submit(requestOf(...inputs(1_000)))
    await ended(job.id)
    clearImmediate(counting)
    expect(turns).toBeGreaterThanOrEqual(500)
  })

  test('shows its progress, written at most four times a second', async () => {
    const { store, jobs, submit, time, calls } = openTestJobs()
    const written: number[] = []
    store.watch(({ jobs: changed }) => written.push(...changed.map(({ done }) => done)))
    const { id } = await submit({ model: 'slow', kind: 'batch', inputs: inputs(40) })
    for (let call = 0; call < 19; call += 1) {
      calls[call]?.answer()
      await time.pass(50)
    }
    await time.pass(250)
    expect((await jobs.get('acme', id)).progress).toEqual({ done: 38, total: 40 })
    // Queued and running have no progress; 950 ms and the last 250 ms have five or six.
    expect(new Set(written).size).toBeLessThanOrEqual(7)
    expect(new Set(written).size).toBeGreaterThan(3)
  })

  test('whose result is too large has failed, with the answers that fit', async () => {
    const { jobs, ended } = openTestJobs({ resultBytesMax: 20 })
    const { job } = await jobs.submit(requestOf(...inputs(10)))
    expect(await ended(job.id)).toMatchObject({
      status: 'failed',
      error: { code: 'model_failed' },
      progress: { done: 2, total: 10 },
      result: [['0'], ['1']],
    })
  })

  test('is forgotten with its result when its time is over', async () => {
    const { jobs, ended, time, store } = openTestJobs({ keepMs: 120_000 })
    const { job } = await jobs.submit(requestOf('a'))
    await ended(job.id)
    await time.pass(119_000)
    expect(await jobs.get('acme', job.id)).toMatchObject({ result: ['a'] })
    await time.pass(61_000)
    await expect(jobs.get('acme', job.id)).rejects.toMatchObject({ code: 'job_not_found' })
    expect(await store.forgetExpired(time.clock(), 10)).toBe(0)
  })
})

describe('a failing model', () => {
  test('is asked again after a random part of a second, then of two; then the job is dead with the reason', async () => {
    const { submit, calls, time, jobs, events, ledger, operational } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    calls[0]?.fail(new Fault('model_timeout', 'secret detail'))
    await time.pass(499)
    expect(calls).toHaveLength(1)
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'queued', attempts: 1 })
    await time.pass(1)
    expect(calls).toHaveLength(2)
    calls[1]?.fail(new Error('broke'))
    await time.pass(999)
    expect(calls).toHaveLength(2)
    await time.pass(1)
    calls[2]?.fail(new Fault('model_failed', 'secret detail'))
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({
      status: 'dead',
      attempts: 3,
      error: { code: 'model_failed', detail: 'The model failed on this input.' },
    })
    expect(events()).toEqual([
      'job.accepted',
      ...['job.started', 'job.failed', 'job.started', 'job.failed', 'job.started', 'job.failed'],
    ])
    await time.pass(60_000)
    expect(calls).toHaveLength(3)
    const codes = ledger.entries.filter(({ event }) => event === 'job.failed').map(({ code }) => code)
    expect(codes).toEqual(['model_timeout', 'model_failed', 'model_failed'])
    // The operator gets an event for each, with its cause; no caller does.
    expect(operational).toMatchObject([
      ...[1, 2, 3].map((attempt) => ({ name: 'job.attempt_failed', fields: { job: id, attempt } })),
      { name: 'job.dead', fields: { job: id, attempts: 3, code: 'model_failed' } },
    ])
    // Of the request that made it, whose answer had this id.
    expect(operational.map(({ requestId }) => requestId)).toEqual(Array(4).fill('req1'))
  })

  test('that a process does not serve any more is named as it starts, with its jobs; they wait', async () => {
    const store = createInProcessJobStore()
    const first = openTestJobs({ store, concurrency: 0 })
    for (const model of ['slow', 'echo', 'echo']) await first.submit({ model })
    const models = new Map([['slow', { batchMax: 1, predict: () => new Promise<never>(() => {}) }]])
    const { operational, time, jobs } = openTestJobs({ store, models })
    await time.settle()
    expect(operational).toMatchObject([{ name: 'jobs.unserved', fields: { jobs: 2, models: ['echo'] } }])
    expect(await jobs.list('acme', { status: 'queued' })).toMatchObject({ jobs: [{}, {}] })
  })

  test('that says when it may be asked again is not asked before', async () => {
    const { submit, calls, time, jobs } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    calls[0]?.fail(new Fault('upstream_unavailable', 'out', { retryAfterSeconds: 20 }))
    await time.pass(19_999)
    expect(calls).toHaveLength(1)
    await time.pass(1)
    calls[1]?.answer()
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 2 })
  })

  test('that is overloaded is asked again, and that is no attempt of the job', async () => {
    const { submit, calls, time, jobs } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    for (let call = 0; call < 10; call += 1) {
      calls[call]?.fail(new Fault('overloaded', 'full'))
      await time.pass(2_500)
    }
    calls[10]?.answer()
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 1 })
  })

  test('that refuses the input ends the job at once: trying again cannot help', async () => {
    const { submit, calls, time, jobs } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    calls[0]?.fail(new Refusal('input_invalid', 'expected text'))
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({
      status: 'failed',
      error: { code: 'input_invalid', detail: 'expected text' },
    })
  })

  test('a dead job is tried with all its attempts once an administrator says so', async () => {
    const { submit, calls, time, jobs, ledger } = openTestJobs({ attemptsMax: 1 })
    const { id } = await submit({ model: 'slow' })
    calls[0]?.fail(new Error('broke'))
    await time.settle()
    expect(await jobs.retry(anyOwner, id, { by: 'cli' })).toMatchObject({ status: 'queued', error: null })
    await time.settle()
    calls[1]?.answer()
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded' })
    const retried = ledger.entries.find(({ event }) => event === 'job.retried')
    expect(retried).toMatchObject({ owner: 'acme', detail: { job: id, by: 'cli' } })
  })
})

describe('a lease', () => {
  test('is kept for as long as the work takes', async () => {
    const { submit, calls, time, jobs, store } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    await time.pass(300_000)
    const ask = { max: 1, now: time.clock(), until: time.clock() + 1, models: ['slow'], keepMs: 1 }
    expect(await store.claim(ask)).toEqual({ claimed: [], ended: [], damaged: [], giveWay: [] })
    calls[0]?.answer()
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 1 })
  })

  test('that was lost ends the work, and its result changes nothing: no job has two', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    const cutOff = { ...store, extend: () => Promise.reject(new Error('cut off')) }
    const first = openTestJobs({ time, store: cutOff, concurrency: 1 })
    const { id } = await first.submit({ model: 'slow' })
    await time.pass(20_000)
    const second = openTestJobs({
      time,
      store,
      models: new Map([['slow', { batchMax: 1, predict: () => ['second'] }]]),
    })
    await time.pass(12_000)
    expect(await second.jobs.get('acme', id)).toMatchObject({ status: 'succeeded', result: 'second' })
    first.calls[0]?.answer()
    await time.settle()
    expect(await second.jobs.get('acme', id)).toMatchObject({ result: 'second', attempts: 2 })
    expect(first.events()).not.toContain('job.finished')
    expect(second.events()).toEqual(['job.started', 'job.finished'])
    const lost = [...first.operational, ...second.operational].filter(({ name }) => name === 'job.lease_lost')
    expect(lost).toMatchObject([{ fields: { job: id, attempt: 1 }, requestId: 'req1' }])
    expect(first.operational).toContain(lost[0])
  })

  test('of its own that ran out is taken up anew by the same worker, and the work before ends', async () => {
    const store = createInProcessJobStore()
    const cutOff = { ...store, extend: () => Promise.reject(new Error('cut off')) }
    const { submit, time, calls, jobs, operational } = openTestJobs({ store: cutOff, concurrency: 2 })
    const { id } = await submit({ model: 'slow' })
    await time.pass(30_000)
    expect(calls).toHaveLength(2)
    expect(calls[0]?.signal.aborted).toBe(true)
    calls[0]?.answer()
    calls[1]?.answer()
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 2 })
    const lost = operational.filter(({ name }) => name === 'job.lease_lost')
    expect(lost).toMatchObject([{ fields: { job: id, attempt: 1 } }])
  })

  test('that was taken up anew while a renewal was under way is kept: that speaks of the one before', async () => {
    const store = createInProcessJobStore()
    const stalled = Promise.withResolvers<void>()
    const slow: JobStore['extend'] = async (...ask) => {
      await stalled.promise
      return store.extend(...ask)
    }
    const { submit, time, calls, jobs, operational } = openTestJobs({ store: { ...store, extend: slow } })
    const { id } = await submit({ model: 'slow' })
    await time.pass(32_000)
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, false])
    stalled.resolve()
    await time.settle()
    calls[1]?.answer()
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 2 })
    const lost = operational.filter(({ name }) => name === 'job.lease_lost')
    expect(lost).toMatchObject([{ fields: { job: id, attempt: 1 } }])
  })

  test('that another worker took is heard of by its renewal; that of a cancelled job was not lost', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    const held = { isStalled: false }
    const stalling: JobStore['extend'] = async (...ask) => {
      if (held.isStalled) throw new Error('stopped for a while')
      return store.extend(...ask)
    }
    // It hears of no change, as one in another process: only its renewals tell.
    const deaf = { ...store, extend: stalling, watch: () => () => {} }
    const first = openTestJobs({ time, store: deaf, concurrency: 2 })
    const taken = await first.submit({ model: 'slow' })
    const cancelled = await first.submit({ model: 'slow' })
    held.isStalled = true
    await time.pass(29_000)
    const second = openTestJobs({ time, store })
    await second.jobs.cancel('acme', cancelled.id)
    await time.pass(2_000)
    held.isStalled = false
    await time.pass(2_000)
    expect(first.calls.map(({ signal }) => signal.aborted)).toEqual([true, true])
    const lost = first.operational.filter(({ name }) => name === 'job.lease_lost')
    expect(lost).toMatchObject([{ level: 'warn', fields: { job: taken.id, attempt: 1 } }])
  })

  test('of a worker that died ends, the job is taken up; where its attempts are used up it is dead, and that is recorded', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    const dead = openTestJobs({
      time,
      store: { ...store, extend: () => new Promise(() => {}) },
      attemptsMax: 1,
    })
    const { id } = await dead.submit({ model: 'slow' })
    const next = openTestJobs({ time, store })
    await time.pass(32_000)
    expect(await next.jobs.get('acme', id)).toMatchObject({ status: 'dead', error: { code: 'lost' } })
    expect([...dead.events(), ...next.events()].filter((event) => event === 'job.failed')).toHaveLength(1)
  })

  test('a cancellation by another process is heard within two seconds, and the work ends', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    const worker = openTestJobs({ time, store: { ...store, watch: () => () => {} } })
    const { id } = await worker.submit({ model: 'slow' })
    await time.pass(1_000)
    await openTestJobs({ time, store, concurrency: 0 }).jobs.cancel('acme', id)
    await time.pass(2_000)
    expect(worker.calls[0]?.signal.aborted).toBe(true)
    expect(worker.events()).toEqual(['job.accepted', 'job.started'])
  })
})

describe('closing', () => {
  test('begins no more, and lets what runs end within the grace', async () => {
    const { submit, calls, time, jobs } = openTestJobs({ concurrency: 1 })
    const running = await submit({ model: 'slow' })
    const waiting = await submit({ model: 'slow' })
    const closed = jobs.close({ graceMs: 5_000 })
    await time.pass(4_000)
    calls[0]?.answer()
    await time.settle()
    await closed
    expect(await jobs.get('acme', running.id)).toMatchObject({ status: 'succeeded' })
    expect(await jobs.get('acme', waiting.id)).toMatchObject({ status: 'queued', attempts: 0 })
    expect(calls).toHaveLength(1)
  })

  test('hands back what has not ended by then, uncounted, even where the model does not listen', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    const first = openTestJobs({ time, store, attemptsMax: 1 })
    const { id } = await first.submit({ model: 'slow' })
    const closed = first.jobs.close({ graceMs: 5_000 })
    await time.pass(5_000)
    await closed
    expect(await first.jobs.get('acme', id)).toMatchObject({ status: 'queued', attempts: 0 })
    expect(time.timers()).toBe(0)
    const second = openTestJobs({ time, store })
    await time.settle()
    second.calls[0]?.answer()
    await time.settle()
    expect(await second.jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 1 })
  })

  test('takes no longer than the grace because the store does not answer a claim', async () => {
    const store = createInProcessJobStore()
    const unanswered = Promise.withResolvers<never>()
    let isOut = false
    const { submit, jobs, time } = openTestJobs({
      store: { ...store, claim: (claim) => (isOut ? unanswered.promise : store.claim(claim)) },
    })
    const { id } = await submit({ model: 'slow' })
    isOut = true
    await time.pass(1_000)
    let isClosed = false
    const closed = jobs.close({ graceMs: 5_000 }).then(() => {
      isClosed = true
    })
    await time.pass(5_000)
    unanswered.reject(new Fault('store_unavailable', 'the database does not answer'))
    await time.settle()
    expect(isClosed).toBe(true)
    await closed
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'queued', attempts: 0 })
  })
})
