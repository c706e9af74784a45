import { describe, expect, test } from 'vitest'
import { openTestJobs, requestOf } from '../../test/support/open-test-jobs.ts'
import { createTestTime } from '../../test/support/test-time.ts'
import { usageThat } from '../../test/support/usage-that.ts'
import { endUsage } from '../limits/usage/end-usage.ts'
import { createInProcessJobStore } from '../storage/sqlite/jobs/in-process-job-store.ts'

describe('what a request took of its limits', () => {
  const endings: readonly (readonly [
    string,
    readonly string[],
    (job: ReturnType<typeof openTestJobs>, id: string) => unknown,
  ])[] = [
    ['is ended with the job', ['answered'], ({ calls }) => calls[0]?.answer()],
    [
      'is ended as aborted where the job failed',
      ['aborted'],
      ({ calls }) => calls[0]?.fail(new Error('broke')),
    ],
    [
      'is ended as aborted where the job was cancelled on the way',
      ['aborted'],
      ({ jobs }, id) => jobs.cancel('acme', id),
    ],
  ]
  test.each(endings)('%s, and not before', async (_name, expected, end) => {
    const said: string[] = []
    const opened = openTestJobs({ attemptsMax: 1 })
    const { id } = await opened.submit({ model: 'slow', usage: usageThat(said) })
    expect(said).toEqual([])
    await end(opened, id)
    await opened.time.settle()
    expect(said).toEqual(expected)
    await opened.jobs.close({ graceMs: 0 })
    expect(said).toEqual(expected)
  })

  test('is not ended with the request', async () => {
    const said: string[] = []
    const { submit, calls, time } = openTestJobs()
    const usage = usageThat(said)
    await submit({ model: 'slow', usage })
    await endUsage(usage, 'answered', () => {})
    expect(said).toEqual([])
    calls[0]?.answer()
    await time.settle()
    expect(said).toEqual(['answered'])
  })

  test('stays with the job though the client goes while it is being accepted', async () => {
    const said: string[] = []
    const { jobs, ledger, calls, time } = openTestJobs()
    const usage = usageThat(said)
    ledger.hold()
    const submitted = jobs.submit({ ...requestOf('a'), model: 'slow', usage })
    await time.settle()
    await endUsage(usage, 'aborted', () => {})
    ledger.release()
    await submitted
    await time.settle()
    expect(said).toEqual([])
    calls[0]?.answer()
    await time.settle()
    expect(said).toEqual(['answered'])
  })

  test('ends with the request where no job was made, whichever comes first', async () => {
    const { jobs, ledger, submit, time } = openTestJobs({ concurrency: 0, jobsMax: 1 })
    await submit()
    const said: string[] = []
    const usage = usageThat(said)
    await expect(jobs.submit({ ...requestOf('a'), usage })).rejects.toMatchObject({ code: 'overloaded' })
    await endUsage(usage, 'answered', () => {})
    expect(said).toEqual(['answered'])
    ledger.fault = new Error('full')
    const second = usageThat(said)
    const submitted = jobs.submit({ ...requestOf('a'), usage: second })
    await endUsage(second, 'aborted', () => {})
    await expect(submitted).rejects.toMatchObject({ code: 'overloaded' })
    await time.settle()
    expect(said).toEqual(['answered', 'aborted'])
  })

  test('of a repeated request ends with that: the first one’s is the job’s', async () => {
    const said: string[] = []
    const idempotency = { owner: 'acme', key: 'retry-1', request: 'a' }
    const { jobs } = openTestJobs({ concurrency: 0 })
    await jobs.submit({ ...requestOf('a'), idempotency })
    const usage = usageThat(said)
    await jobs.submit({ ...requestOf('a'), idempotency, usage })
    await endUsage(usage, 'answered', () => {})
    expect(said).toEqual(['answered'])
  })

  test('is not ended while the store takes its time to accept the job', async () => {
    const said: string[] = []
    const store = createInProcessJobStore()
    const begin = Promise.withResolvers<void>()
    const slow = {
      ...store,
      submit: (asked: Parameters<typeof store.submit>[0]) => begin.promise.then(() => store.submit(asked)),
    }
    const { jobs, calls, time } = openTestJobs({ store: slow })
    const submitted = jobs.submit({ ...requestOf('a'), model: 'slow', usage: usageThat(said) })
    await time.pass(11_000)
    expect(said).toEqual([])
    begin.resolve()
    await submitted
    await time.settle()
    calls[0]?.answer()
    await time.settle()
    expect(said).toEqual(['answered'])
  })

  test('is ended as aborted where the job was cancelled before it began', async () => {
    const said: string[] = []
    const { submit, jobs, time } = openTestJobs({ concurrency: 0 })
    const { id } = await submit({ usage: usageThat(said) })
    await jobs.cancel('acme', id)
    await time.settle()
    expect(said).toEqual(['aborted'])
  })

  test('is ended within seconds where another process ended the job', async () => {
    const said: string[] = []
    const time = createTestTime()
    const store = createInProcessJobStore()
    const here = openTestJobs({ time, store: { ...store, watch: () => () => {} }, concurrency: 0 })
    await here.submit({ usage: usageThat(said) })
    openTestJobs({ time, store })
    await time.pass(6_000)
    expect(said).toEqual(['answered'])
  })
})
