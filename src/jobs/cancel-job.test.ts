import { describe, expect, test } from 'vitest'
import { openTestJobs, requestOf } from '../../test/support/open-test-jobs.ts'
import { anyOwner } from './job-service.ts'

describe('cancelling', () => {
  test('ends a running call at once, and whatever it answers is thrown away', async () => {
    const { jobs, submit, calls, time, ledger, events } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    expect(await jobs.cancel('acme', id, { by: 'key9', requestId: 'req9' })).toMatchObject({
      status: 'cancelled',
    })
    await time.settle()
    expect(calls[0]?.signal.aborted).toBe(true)
    calls[0]?.answer()
    await time.settle()
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'cancelled', result: null })
    expect(events(id)).toEqual(['job.accepted', 'job.started', 'job.cancelled'])
    expect(ledger.entries.at(-1)).toMatchObject({
      requestId: 'req9',
      keyId: 'key1',
      detail: { by: 'key9', job: id },
    })
  })

  test('a waiting job never begins, and its slot is free at once for the next', async () => {
    const { jobs, submit, calls, time } = openTestJobs({ concurrency: 1 })
    const running = await submit({ model: 'slow', inputs: ['1'] })
    const waiting = await submit({ model: 'slow', inputs: ['2'] })
    await submit({ model: 'slow', inputs: ['3'] })
    await jobs.cancel('acme', waiting.id)
    await jobs.cancel('acme', running.id)
    await time.settle()
    expect(calls.map((call) => call.inputs)).toEqual([['1'], ['3']])
  })

  test('a job that has ended is given as it is, and nothing is recorded', async () => {
    const { jobs, ended, events } = openTestJobs()
    const { job } = await jobs.submit(requestOf('a'))
    await ended(job.id)
    expect(await jobs.cancel('acme', job.id)).toMatchObject({ status: 'succeeded', result: ['a'] })
    expect(await jobs.retry(anyOwner, job.id)).toMatchObject({ status: 'succeeded' })
    expect(events(job.id)).toEqual(['job.accepted', 'job.started', 'job.finished'])
  })

  test('is refused while it cannot be recorded', async () => {
    const { jobs, submit, ledger } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    ledger.fault = new Error('full')
    await expect(jobs.submit(requestOf('a'))).rejects.toMatchObject({ code: 'ledger_unavailable' })
    await expect(jobs.cancel('acme', id)).rejects.toMatchObject({ code: 'ledger_unavailable' })
    expect(await jobs.get('acme', id)).toMatchObject({ status: 'running' })
  })
})
