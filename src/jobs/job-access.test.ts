import { describe, expect, test } from 'vitest'
import { openTestJobs, requestOf } from '../../test/support/open-test-jobs.ts'
import { createTestTime } from '../../test/support/test-time.ts'
import { Refusal } from '../core/refusal.ts'
import { createInProcessJobStore } from '../storage/sqlite/jobs/in-process-job-store.ts'
import type { JobQueue } from './job-queue.ts'
import { anyOwner, type JobOwner, type JobService, type JobSnapshot } from './job-service.ts'

type Verb = 'get' | 'cancel' | 'retry' | 'events'
const verbs: readonly Verb[] = ['get', 'cancel', 'retry', 'events']

async function refusalOf(jobs: JobService, verb: Verb, owner: JobOwner, id: string): Promise<unknown> {
  const call: Promise<unknown> = jobs[verb](owner, id)
  return call.then(
    () => 'none',
    (refusal: unknown) => (refusal instanceof Refusal ? { ...refusal, message: refusal.message } : refusal),
  )
}

describe('to everybody but its owner a job does not exist', () => {
  test.each(verbs)(
    '%s: another’s, an unknown and an expired one are refused alike, and nothing is changed or recorded',
    async (verb) => {
      const { jobs, time, ended, ledger } = openTestJobs({ keepMs: 1_000 })
      const expired = await jobs.submit(requestOf('a'))
      await ended(expired.job.id)
      await time.pass(1_000)
      const { job } = await jobs.submit({ ...requestOf('a'), model: 'slow', owner: 'other' })
      await time.settle()
      const before = ledger.entries.length
      const [another, unknown, old] = await Promise.all([
        refusalOf(jobs, verb, 'acme', job.id),
        refusalOf(jobs, verb, 'acme', 'job_0000000000000000000000'),
        refusalOf(jobs, verb, 'acme', expired.job.id),
      ])
      expect(another).toMatchObject({ code: 'job_not_found', status: 404 })
      expect(unknown).toEqual(another)
      expect(old).toEqual(another)
      expect(await jobs.get('other', job.id)).toMatchObject({ status: 'running' })
      expect(ledger.entries).toHaveLength(before)
    },
  )

  test('a wait for it is over at once', async () => {
    const { jobs } = openTestJobs()
    const { job } = await jobs.submit({ ...requestOf('a'), owner: 'other', model: 'slow' })
    await expect(jobs.get('acme', job.id, { waitMs: 30_000 })).rejects.toMatchObject({
      code: 'job_not_found',
    })
  })

  test('lists hold its owner’s jobs alone, and no results; administrators see all', async () => {
    const { jobs, ended } = openTestJobs()
    const { job } = await jobs.submit(requestOf('a'))
    await ended(job.id)
    await jobs.submit({ ...requestOf('b'), owner: 'other' })
    const mine = (await jobs.list('acme')).jobs
    expect(mine).toMatchObject([{ id: job.id, status: 'succeeded', result: null }])
    expect((await jobs.list(anyOwner)).jobs).toHaveLength(2)
  })

  test.each([undefined, null, 7])('an owner that is %s means no owner, never all owners', async (owner) => {
    const { jobs } = openTestJobs()
    const { job } = await jobs.submit(requestOf('a'))
    for (const verb of verbs)
      expect(await refusalOf(jobs, verb, owner as unknown as string, job.id)).toBeInstanceOf(TypeError)
    await expect(jobs.list(owner as unknown as string)).rejects.toBeInstanceOf(TypeError)
  })
})

test('a list goes on where the page before ended, the newest first', async () => {
  const { jobs, time } = openTestJobs({ concurrency: 0 })
  const made: string[] = []
  for (let job = 0; job < 5; job += 1) {
    made.unshift((await jobs.submit(requestOf('a'))).job.id)
    await time.pass(10)
  }
  const first = await jobs.list('acme', { limit: 3 })
  const second = await jobs.list('acme', { limit: 3, ...(first.next && { after: first.next }) })
  expect([...first.jobs, ...second.jobs].map(({ id }) => id)).toEqual(made)
  expect(second.next).toBeUndefined()
})

test.each([0, -1, 1_001, 1.5, Number.NaN])('a list of %s jobs is a mistake', async (limit) => {
  await expect(openTestJobs().jobs.list('acme', { limit })).rejects.toBeInstanceOf(TypeError)
})

test('a job is shown with its times in ISO 8601', async () => {
  const { jobs, time, submit, calls } = openTestJobs({ keepMs: 60_000 })
  const { id } = await submit({ model: 'slow' })
  await time.pass(1_000)
  calls[0]?.answer()
  await time.settle()
  expect(await jobs.get('acme', id)).toEqual({
    id,
    status: 'succeeded',
    model: 'slow',
    kind: 'single',
    progress: { done: 1, total: 1 },
    errors: 0,
    result: ['a'],
    error: null,
    attempts: 1,
    version: expect.any(Number),
    created_at: '2026-01-01T00:00:00.000Z',
    started_at: '2026-01-01T00:00:00.000Z',
    finished_at: '2026-01-01T00:00:01.000Z',
    expires_at: '2026-01-01T00:01:01.000Z',
  })
  expect(id).toMatch(/^job_[0-9A-Za-z]{22}$/)
})

test('administrators see whose a job is, and may ask for one owner’s; owners are shown none, and cannot ask for another’s', async () => {
  const { jobs, submit } = openTestJobs()
  const { id } = await submit()
  await submit({ owner: 'other', keyId: 'key2' })
  expect(await jobs.get(anyOwner, id)).toMatchObject({ owner: 'acme', key_id: 'key1' })
  const ofOther = await jobs.list(anyOwner, { owner: 'other' })
  expect(ofOther.jobs).toMatchObject([{ owner: 'other', key_id: 'key2' }])
  const own = await jobs.list('acme', { owner: 'other' })
  expect(own.jobs).toMatchObject([{ id }])
  expect(own.jobs[0]).not.toHaveProperty('owner')
})

describe('waiting', () => {
  test('is over when the job has ended, when its time is, and when the caller goes away', async () => {
    const { jobs, submit, calls, time } = openTestJobs()
    const { id } = await submit({ model: 'slow' })
    const gone = new AbortController()
    const said: string[] = []
    const wait = (name: string, options: Parameters<JobService['get']>[2]) =>
      jobs.get('acme', id, options).then(({ status }) => said.push(`${name} ${status}`))
    void wait('short', { waitMs: 5_000 })
    void wait('gone', { waitMs: 30_000, signal: gone.signal })
    void wait('long', { waitMs: 30_000 })
    await time.pass(4_999)
    expect(said).toEqual([])
    await time.pass(1)
    expect(said).toEqual(['short running'])
    gone.abort()
    await time.settle()
    expect(said).toEqual(['short running', 'gone running'])
    calls[0]?.answer()
    await time.settle()
    expect(said.at(-1)).toBe('long succeeded')
  })

  test('is over in time though the clock is set back meanwhile', async () => {
    const time = createTestTime()
    let setBackMs = 0
    const { jobs, submit } = openTestJobs({ time, clock: () => time.clock() - setBackMs, concurrency: 0 })
    const { id } = await submit()
    const waited = jobs.get('acme', id, { waitMs: 5_000 })
    setBackMs = 3_600_000
    await time.pass(5_000)
    expect(await waited).toMatchObject({ status: 'queued' })
  })

  test('hears within a second what another process does', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    const here = openTestJobs({ time, store: { ...store, watch: () => () => {} }, concurrency: 0 })
    const { id } = await here.submit()
    let status = ''
    void here.jobs.get('acme', id, { waitMs: 30_000 }).then((job) => {
      status = job.status
    })
    await time.settle()
    openTestJobs({ time, store })
    await time.pass(1_000)
    expect(status).toBe('succeeded')
  })

  test('hears at once what another process does where the store gives a hint', async () => {
    const time = createTestTime()
    const store = createInProcessJobStore()
    let hint = (): void => {}
    const watch: JobQueue['watch'] = (listener) => {
      hint = () => listener({ jobs: [], isDue: true })
      return () => {}
    }
    const here = openTestJobs({ time, store: { ...store, watch }, concurrency: 0 })
    const { id } = await here.submit()
    let status = ''
    void here.jobs.get('acme', id, { waitMs: 30_000 }).then((job) => {
      status = job.status
    })
    await time.settle()
    openTestJobs({ time, store })
    await time.settle()
    expect(status).toBe('')
    hint()
    await time.settle()
    expect(status).toBe('succeeded')
  })

  test('is over when the service closes', async () => {
    const { jobs, submit } = openTestJobs({ concurrency: 0 })
    const { id } = await submit()
    const waiting = jobs.get('acme', id, { waitMs: 30_000 })
    await jobs.close()
    expect(await waiting).toMatchObject({ status: 'queued' })
  })
})

describe('following', () => {
  async function statuses(snapshots: AsyncIterable<JobSnapshot>): Promise<string[]> {
    const said: string[] = []
    for await (const { job } of snapshots) said.push(job.status)
    return said
  }

  test('gives how the job stands, each change, and the end with its result', async () => {
    const { jobs, submit, calls, time } = openTestJobs()
    const { id } = await submit({ model: 'slow', kind: 'batch', inputs: ['a', 'b', 'c'] })
    const seen: JobSnapshot[] = []
    const following = (async () => {
      for await (const snapshot of await jobs.events('acme', id)) seen.push(snapshot)
    })()
    await time.settle()
    calls[0]?.answer()
    await time.pass(1_000)
    calls[1]?.answer()
    await time.settle()
    await following
    expect(seen.map(({ job }) => [job.status, job.progress.done])).toEqual([
      ['running', 0],
      ['running', 2],
      ['succeeded', 3],
    ])
    expect(seen.at(-1)?.job.result).toEqual([['a'], ['b'], ['c']])
    const versions = seen.map(({ version }) => version)
    expect(versions).toEqual([...new Set(versions)].toSorted((one, other) => one - other))
  })

  test('holds no large result, of which there may be hundreds: `get` gives it', async () => {
    const { jobs, submit, ended } = openTestJobs()
    const { id } = await submit({ inputs: ['a'.repeat(70_000)] })
    await ended(id)
    const seen: JobSnapshot[] = []
    for await (const snapshot of await jobs.events('acme', id)) seen.push(snapshot)
    expect(seen).toMatchObject([{ job: { status: 'succeeded', result: null } }])
    expect(JSON.stringify((await jobs.get('acme', id)).result)).toHaveLength(70_004)
  })

  test('a slow reader misses what is in between, never the end; at most one snapshot waits', async () => {
    const { jobs, submit, calls, time } = openTestJobs()
    const inputs = Array.from({ length: 100 }, (_, index) => index)
    const { id } = await submit({ model: 'slow', kind: 'batch', inputs })
    const reader = (await jobs.events('acme', id))[Symbol.asyncIterator]()
    expect((await reader.next()).value?.job.status).toBe('running')
    for (let call = 0; call < 50; call += 1) {
      calls[call]?.answer()
      await time.pass(300)
    }
    const last = await reader.next()
    expect(last.value?.job).toMatchObject({ status: 'succeeded', progress: { done: 100 } })
    expect((await reader.next()).done).toBe(true)
  })

  test('goes on after a version that was seen: nothing twice, and an end that was seen is no event', async () => {
    const { jobs, ended } = openTestJobs()
    const { job } = await jobs.submit(requestOf('a'))
    const { version } = await ended(job.id)
    expect(await statuses(await jobs.events('acme', job.id, { afterVersion: job.version }))).toEqual([
      'succeeded',
    ])
    expect(await statuses(await jobs.events('acme', job.id, { afterVersion: version }))).toEqual([])
    expect(await statuses(await jobs.events('acme', job.id, { afterVersion: 1e9 }))).toEqual(['succeeded'])
  })

  test('ends with the signal and with the service, and leaves nothing behind', async () => {
    const { jobs, submit, time } = openTestJobs({ concurrency: 0 })
    const { id } = await submit()
    const gone = new AbortController()
    const byReader = statuses(await jobs.events('acme', id, { signal: gone.signal }))
    const byService = statuses(await jobs.events('acme', id))
    await jobs.events('acme', id)
    await time.settle()
    gone.abort()
    expect(await byReader).toEqual(['queued'])
    await jobs.close()
    expect(await byService).toEqual(['queued'])
    expect(time.timers()).toBe(0)
  })
})
