import { describe, expect, test } from 'vitest'
import { openTestJobs, requestOf } from '../../test/support/open-test-jobs.ts'
import { createTestTime } from '../../test/support/test-time.ts'
import { usageThat } from '../../test/support/usage-that.ts'

const idempotency = (request: unknown = 'a', owner = 'acme') => ({ owner, key: 'retry-1', request })

describe('submitting', () => {
  test('is answered once the job and its record are durable, and no attempt begins before', async () => {
    const { jobs, ledger, time, calls, store } = openTestJobs()
    ledger.hold()
    let isAnswered = false
    const submitted = jobs.submit({ ...requestOf('a'), model: 'slow' }).then(() => {
      isAnswered = true
    })
    await time.settle()
    expect(await store.countJobs()).toEqual({ queued: 0, running: 1 })
    expect(isAnswered).toBe(false)
    expect(calls).toHaveLength(0)
    ledger.release()
    await submitted
    await time.settle()
    expect(ledger.entries.map(({ event }) => event)).toEqual(['job.accepted', 'job.started'])
    expect(calls).toHaveLength(1)
  })

  test('records whose job it is, by which key and request, and never what it is about', async () => {
    const { jobs, ledger, ended } = openTestJobs()
    const { job } = await jobs.submit({ ...requestOf('a secret text'), usage: usageThat([]) })
    await ended(job.id)
    for (const entry of ledger.entries)
      expect(entry).toMatchObject({
        owner: 'acme',
        keyId: 'key1',
        requestId: 'req1',
        detail: { job: job.id },
      })
    expect(ledger.entries.at(-1)).toMatchObject({
      event: 'job.finished',
      measures: { characters: 5 },
      latencyUs: 0,
    })
    expect(JSON.stringify(ledger.entries)).not.toContain('a secret text')
  })

  test.each([
    { owner: undefined },
    { owner: '' },
    { keyId: undefined },
    { inputs: [] },
    { kind: 'single', inputs: ['a', 'b'] },
    { priority: 10 },
    { priority: 0.5 },
  ])('a caller’s mistake is told, and nothing is accepted: %j', async (mistake) => {
    const { jobs, store } = openTestJobs()
    await expect(jobs.submit({ ...requestOf('a'), ...(mistake as object) })).rejects.toBeInstanceOf(TypeError)
    expect(await store.countJobs()).toEqual({ queued: 0, running: 0 })
  })

  test('a model that is not there is not found', async () => {
    await expect(openTestJobs().jobs.submit({ ...requestOf('a'), model: 'none' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('as many jobs wait as may, in all and of an owner: overloaded, and its usage stays the caller’s', async () => {
    const said: string[] = []
    const { jobs } = openTestJobs({ concurrency: 0, jobsMax: 3, ownerJobsMax: 2 })
    const submit = (owner: string) => jobs.submit({ ...requestOf('a'), owner, usage: usageThat(said) })
    await submit('acme')
    await submit('acme')
    await expect(submit('acme')).rejects.toMatchObject({ code: 'overloaded', status: 503 })
    await submit('b')
    await expect(submit('c')).rejects.toMatchObject({ code: 'overloaded' })
    expect(said).toEqual([])
  })
})

describe('while the ledger is out', () => {
  test('nothing is accepted; the job that met the outage first is cancelled', async () => {
    const said: string[] = []
    const { jobs, ledger, time, calls, store } = openTestJobs()
    ledger.fault = new Error('full')
    const request = { ...requestOf('a'), model: 'slow', usage: usageThat(said) }
    for (let tries = 0; tries < 3; tries += 1)
      await expect(jobs.submit(request)).rejects.toMatchObject({ code: 'ledger_unavailable', status: 503 })
    expect((await jobs.list('acme')).jobs.map(({ status }) => status)).toEqual(['cancelled'])
    await time.pass(60_000)
    expect(calls).toHaveLength(0)
    expect(await store.countJobs()).toEqual({ queued: 0, running: 0 })
    expect(said).toEqual([])
  })

  test('nothing begins, and what waits begins once it is back', async () => {
    const { submit, ledger, time, calls, jobs } = openTestJobs({ concurrency: 1 })
    await submit({ model: 'slow' })
    const { id } = await submit({ model: 'slow' })
    ledger.fault = new Error('full')
    await expect(jobs.submit(requestOf('a'))).rejects.toMatchObject({ code: 'ledger_unavailable' })
    calls[0]?.answer()
    await time.pass(30_000)
    expect(calls).toHaveLength(1)
    ledger.fault = undefined
    await time.pass(2_000)
    expect(calls).toHaveLength(2)
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'running', attempts: 1 })
  })

  test.each([
    ['', 0],
    [', not even where the machine’s clock is set back meanwhile', 3_600_000],
  ])(
    'a beginning that meets the outage first is handed back, uncounted, and not tried in a rush%s',
    async (_also, setBackMs) => {
      const clockTime = createTestTime()
      let behindMs = 0
      const { jobs, ledger, time, calls } = openTestJobs({
        time: clockTime,
        clock: () => clockTime.clock() - behindMs,
      })
      // The acceptance is written, and nothing after it.
      const append = ledger.append
      let written = 0
      Object.assign(ledger, {
        append: async (entry: Parameters<typeof append>[0]) => {
          if (written === 1) throw new Error('full')
          written += 1
          return append(entry)
        },
      })
      const { job } = await jobs.submit({ ...requestOf('a'), model: 'slow' })
      await time.pass(5_000)
      expect(calls).toHaveLength(0)
      expect(await jobs.get('acme', job.id)).toMatchObject({ status: 'queued', attempts: 0 })
      expect((await jobs.get('acme', job.id)).version).toBeLessThan(15)
      Object.assign(ledger, { append })
      behindMs = setBackMs
      await time.pass(2_000)
      expect(calls).toHaveLength(1)
    },
  )

  test('is over a second later, though the clock was set back an hour meanwhile', async () => {
    const time = createTestTime()
    let setBackMs = 0
    const { jobs, ledger, calls } = openTestJobs({ time, clock: () => time.clock() - setBackMs })
    const { append } = ledger
    Object.assign(ledger, {
      append: (entry: Parameters<typeof append>[0]) =>
        entry.event === 'job.started' ? Promise.reject(new Error('full')) : append(entry),
    })
    await jobs.submit({ ...requestOf('a'), model: 'slow' })
    await time.settle()
    setBackMs = 3_600_000
    Object.assign(ledger, { append })
    await time.pass(2_000)
    expect(calls).toHaveLength(1)
  })

  test('a result waits, with its lease, and is not visible before it can be recorded', async () => {
    const { submit, ledger, time, calls, jobs } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    ledger.fault = new Error('full')
    await expect(jobs.submit(requestOf('a'))).rejects.toMatchObject({ code: 'ledger_unavailable' })
    calls[0]?.answer()
    await time.pass(120_000)
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'running', result: null })
    ledger.fault = undefined
    await time.pass(2_000)
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'succeeded', attempts: 1 })
    expect(ledger.entries.at(-1)?.event).toBe('job.finished')
  })

  test('an end that met the outage first is recorded once it is over', async () => {
    const { submit, ledger, time, calls, events } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    ledger.fault = new Error('full')
    calls[0]?.answer()
    await time.pass(10_000)
    expect(events(id)).not.toContain('job.finished')
    ledger.fault = undefined
    await time.pass(2_000)
    expect(events(id).filter((event) => event === 'job.finished')).toHaveLength(1)
  })

  test('records without a waiting caller hold nothing up', async () => {
    const { jobs, ledger, ended } = openTestJobs({ ledgerMode: 'after' })
    ledger.fault = new Error('full')
    const { job } = await jobs.submit(requestOf('a'))
    expect(await ended(job.id)).toMatchObject({ status: 'succeeded' })
  })
})

describe('an Idempotency-Key', () => {
  test('a repeated request gets the job of the first one, and makes no other', async () => {
    const { jobs } = openTestJobs()
    const first = await jobs.submit({ ...requestOf('a'), idempotency: idempotency() })
    const second = await jobs.submit({ ...requestOf('a'), idempotency: idempotency() })
    expect(first.isReplayed).toBe(false)
    expect(second).toEqual({ job: first.job, isReplayed: true })
    expect((await jobs.list('acme')).jobs).toHaveLength(1)
  })

  test('of another owner is another name; for another request it is refused', async () => {
    const { jobs } = openTestJobs()
    await jobs.submit({ ...requestOf('a'), idempotency: idempotency() })
    await expect(jobs.submit({ ...requestOf('b'), idempotency: idempotency('b') })).rejects.toMatchObject({
      code: 'idempotency_mismatch',
      status: 422,
    })
    const other = await jobs.submit({ ...requestOf('b'), owner: 'b', idempotency: idempotency('b', 'b') })
    expect(other.isReplayed).toBe(false)
  })

  test('whose job could not be recorded keeps the job, which runs once, recorded', async () => {
    const { jobs, ledger, time, events } = openTestJobs()
    ledger.fault = new Error('full')
    const request = { ...requestOf('a'), idempotency: idempotency() }
    await expect(jobs.submit(request)).rejects.toMatchObject({ code: 'ledger_unavailable' })
    ledger.fault = undefined
    const { job, isReplayed } = await jobs.submit(request)
    await time.pass(2_000)
    expect(isReplayed).toBe(true)
    expect(await jobs.get('acme', job.id)).toMatchObject({ status: 'succeeded' })
    expect(events(job.id)).toEqual(['job.accepted', 'job.started', 'job.finished'])
  })

  test('of a request that was refused is free again', async () => {
    const { jobs } = openTestJobs({ jobsMax: 1, concurrency: 0 })
    const { job } = await jobs.submit(requestOf('x'))
    const request = { ...requestOf('a'), idempotency: idempotency() }
    await expect(jobs.submit(request)).rejects.toMatchObject({ code: 'overloaded' })
    await jobs.cancel('acme', job.id)
    expect((await jobs.submit(request)).isReplayed).toBe(false)
  })
})
