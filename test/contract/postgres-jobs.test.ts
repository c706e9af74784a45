import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { processScheduler } from '../../src/core/scheduler.ts'
import { awaitJob } from '../../src/jobs/follow-job.ts'
import { createJobChanges } from '../../src/jobs/job-changes.ts'
import type { JobChange } from '../../src/jobs/job-queue.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { hintChannel } from '../../src/storage/postgres/jobs/hints/hint-channel.ts'
import { openPostgresJobStore } from '../../src/storage/postgres/jobs/job-store.ts'
import { collectEvents } from '../support/collect-events.ts'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { openTestJobs } from '../support/open-test-jobs.ts'
import { findMiscounts, openPostgresJobs } from '../support/postgres-jobs.ts'
import { startProcess } from './child-process.ts'
import {
  answered,
  askOf,
  claim,
  countBytes,
  endJob,
  extend,
  find,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  reservationOf,
  reservedAnswerOf,
  settle,
  startJob,
  submit,
  succeeded,
  unavailable,
  wide,
} from './job-fixtures.ts'
import { macs } from './row-macs.ts'

const done = { end: 'succeeded', expiresAt: jobBegin + keepMs } as const

describe('jobs in PostgreSQL, by several nodes', () => {
  test('whatever an owner has waiting, another with one job is served by the second that is claimed', async () => {
    const waiting = fc.record({
      many: fc.integer({ min: 1, max: 1_000 }),
      before: fc.integer({ min: 0, max: 20 }),
      max: fc.integer({ min: 2, max: 16 }),
      priority: fc.integer({ min: 0, max: 9 }),
    })
    await fc.assert(
      fc.asyncProperty(waiting, async ({ many, before, max, priority }) => {
        const { stores } = await openPostgresJobs(2)
        const [first, second = first] = stores
        await submit(
          first,
          ...Array.from({ length: many }, (_, number) => jobOf(number, { owner: 'many', priority })),
        )
        for (let claims = 0; claims < before; claims += 1) await claim(second, { max: 1 })
        await submit(second, jobOf(9_999, { owner: 'one' }))
        const claimed = await claim(first, { max })
        expect(claimed.slice(0, 2).map(({ owner }) => owner)).toContain('one')
      }),
      { numRuns: 8 },
    )
  })

  test('claims at once lease no job twice, and ends at once have one winner each', async () => {
    const { stores, postgres } = await openPostgresJobs(4)
    const numbers = Array.from({ length: 400 }, (_, number) => number)
    const [first] = stores
    await submit(first, ...numbers.map((number) => jobOf(number, { owner: `owner ${number % 9}` })))
    const claims = await Promise.all(
      stores.flatMap((store) => Array.from({ length: 8 }, () => claim(store, { max: 16 }))),
    )
    const claimed = claims.flat()
    expect(new Set(claimed.map(({ id }) => id)).size).toBe(claimed.length)
    expect(claimed).toHaveLength(400)
    const settled = await Promise.all(
      stores.flatMap((store) => claimed.map((job) => settle(store, job, succeeded))),
    )
    expect(settled.filter((job) => job !== undefined)).toHaveLength(400)
    expect(await first.countJobs()).toEqual({ queued: 0, running: 0 })
    expect(await findMiscounts(postgres)).toEqual([])
  })

  test('whatever many nodes do at once, counts are what they count, and nothing waits for another for ever', async () => {
    const { stores, postgres } = await openPostgresJobs(3)
    let last = 0
    const act = async (store: JobStore, dice: number): Promise<void> => {
      last += 1
      const number = last
      const owner = `owner ${number % 5}`
      const webhook = dice % 2 === 0 ? 'https://example.com/hook' : null
      const model = dice % 3 === 0 ? 'sentiment' : 'other'
      const bounds = { ...wide, ownerJobsMax: 20, ownerBytesMax: 40_000 }
      await store.submit({ jobs: [jobOf(number, { owner, webhook, model })], bounds })
      const [job, other] = await claim(store, { max: 2, models: ['sentiment', 'other'] })
      if (other !== undefined) await store.cancel({ id: other.id }, jobBegin, -1)
      await store.cancel({ id: jobId(number - 3) }, jobBegin, -1)
      const unasked = jobOf(100_000 + number, { owner, model: `unasked ${dice}` })
      await store.submit({ jobs: [unasked], bounds })
      if (dice % 2 === 0) await store.cancel({ id: unasked.id }, jobBegin, keepMs)
      if (job !== undefined) {
        await extend(store, [{ ...job, answers: answered('1') }], jobBegin + leaseMs)
        await settle(
          store,
          job,
          dice % 5 === 0 ? { ...done, end: 'released' } : { ...done, expiresAt: jobBegin - 1 },
        )
      }
      await store.forgetExpired(jobBegin, 3)
      const reservation = reservationOf({ id: `key ${number % 7}`, owner, holder: String(number) })
      if ((await store.reserve(reservation, jobBegin, bounds)).outcome === 'reserved')
        if (dice % 2 === 0)
          await store.storeAnswer(reservedAnswerOf({ ...reservation, expiresAt: jobBegin + 1 }))
        else await store.release(reservation)
      const ask = { max: 3, ownerMax: 2, now: jobBegin, until: jobBegin + leaseMs }
      for (const { id, lease } of await store.claimDeliveries(ask)) {
        const result = { at: jobBegin, status: 200, reason: null }
        const then = 'delivered'
        await store.settleDelivery({ id, lease: lease ?? '', result, then })
        await store.retryDelivery({ id }, jobBegin)
      }
    }
    const rounds = stores.flatMap((store, node) =>
      Array.from({ length: 6 }, async (_, lane) => {
        for (let round = 0; round < 15; round += 1) await act(store, node + lane + round)
      }),
    )
    await Promise.all(rounds)
    expect(await findMiscounts(postgres)).toEqual([])
    const [first] = stores
    while ((await first.forgetExpired(jobBegin + 10 * keepMs, 100)) > 0);
    expect(await findMiscounts(postgres)).toEqual([])
  })

  test('a full owner, and an id that is there already, keep no submission beside them from being accepted', async () => {
    const { stores, postgres } = await openPostgresJobs()
    const [store] = stores
    const bounds = { ...wide, ownerJobsMax: 2 }
    await submit(store, jobOf(1, { owner: 'full' }), jobOf(2, { owner: 'full' }))
    const owners = ['a', 'full', 'b', 'full', 'c', 'a', 'a']
    const outcomes = await Promise.all(
      owners.map((owner, index) => store.submit({ jobs: [jobOf(10 + index, { owner })], bounds })),
    )
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      ...['accepted', 'full', 'accepted', 'full', 'accepted', 'accepted', 'full'],
    ])
    const again = await Promise.allSettled([30, 10, 31].map((number) => submit(store, jobOf(number))))
    expect(again.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await findMiscounts(postgres)).toEqual([])
  })

  test('an owner’s bounds are exact, however many nodes they submit to at once', async () => {
    const { stores, postgres } = await openPostgresJobs(4)
    const bounds = { ...wide, ownerJobsMax: 10, ownerBytesMax: 2 ** 30 }
    const outcomes = await Promise.all(
      Array.from({ length: 80 }, async (_, number) =>
        stores[number % 4]?.submit({ jobs: [jobOf(number)], bounds }),
      ),
    )
    expect(outcomes.filter((each) => each?.outcome === 'accepted')).toHaveLength(10)
    const bytes = { ...wide, ownerBytesMax: 10 * 1_024 + 5_000 }
    const more = await Promise.all(
      Array.from({ length: 40 }, async (_, number) =>
        stores[number % 4]?.submit({
          jobs: [jobOf(100 + number, { owner: 'b', inputs: '["a"]' })],
          bounds: bytes,
        }),
      ),
    )
    expect(more.filter((each) => each?.outcome === 'accepted')).toHaveLength(14)
    expect(await findMiscounts(postgres)).toEqual([])
  })
})

describe('what other nodes do', () => {
  const heard = (store: JobStore, isWanted: (change: JobChange) => boolean): Promise<JobChange> =>
    new Promise((resolve) => {
      const stop = store.watch((change) => {
        if (!isWanted(change)) return
        stop()
        resolve(change)
      })
    })

  test('is told by id within moments, once it is committed, and not to the node that did it', async () => {
    const { stores } = await openPostgresJobs(2)
    const [here, there = here] = stores
    const own: JobChange[] = []
    there.watch((change) => own.push(change))
    const listening = heard(here, ({ others }) => others === undefined)
    // The first hint of all: what may have been before it listened.
    await listening
    const change = heard(here, ({ others = [] }) => others.includes(jobId(1)))
    await submit(there, jobOf(1))
    expect(await change).toEqual({ jobs: [], isDue: true, others: [jobId(1)] })
    expect(await find(here, 1)).toMatchObject({ status: 'queued' })
    expect(own.flatMap(({ others = [] }) => others)).toEqual([])
  })

  test('more of them than a notification holds are a hint to look at all', async () => {
    const { stores } = await openPostgresJobs(2)
    const [here, there = here] = stores
    await heard(here, () => true)
    const change = heard(here, ({ jobs }) => jobs.length === 0)
    await submit(there, ...Array.from({ length: 400 }, (_, number) => jobOf(number)))
    expect(await change).toEqual({ jobs: [], isDue: true })
  })

  test('is heard again after the connection that hears it was lost, and looked for meanwhile', async () => {
    const { stores, postgres, url } = await openPostgresJobs(2)
    const [, there] = stores
    if (there === undefined) throw new Error('there are two')
    const { telemetry, until } = collectEvents()
    const store = await openPostgresJobStore({ postgres, macs, url, node: 'listening', telemetry })
    onTestFinished(() => store.close())
    const changes: JobChange[] = []
    let wake = (): void => {}
    store.watch((change) => {
      changes.push(change)
      wake()
    })
    const heardSoMany = async (count: number): Promise<void> => {
      while (changes.length < count)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
    await heardSoMany(1)
    await postgres.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1', [
      `LISTEN ${hintChannel(postgres.schema)}`,
    ])
    await until('jobs.hints_not_heard')
    await until('jobs.hints_heard')
    await heardSoMany(2)
    expect(changes).toEqual([1, 2].map(() => ({ jobs: [], isDue: true })))
    await submit(there, jobOf(1))
    await heardSoMany(3)
    expect(changes[2]).toEqual({ jobs: [], isDue: true, others: [jobId(1)] })
  })

  test('is not listened for behind a pooler, whose connections are those of others, which is said once', async () => {
    const { postgres, url } = await openPostgresJobs(1)
    await using pooler = await openDatabaseProxy(url, { loses: 'backend' })
    const { telemetry, until, names } = collectEvents()
    const store = await openPostgresJobStore({ postgres, macs, url: pooler.url, node: 'pooled', telemetry })
    onTestFinished(() => store.close())
    store.watch(() => {})
    await until('jobs.hints_not_heard')
    const listening = await postgres.query('SELECT pid FROM pg_stat_activity WHERE query = $1', [
      `LISTEN ${hintChannel(postgres.schema)}`,
    ])
    expect(listening).toEqual([])
    expect(names).toEqual(['jobs.hints_not_heard'])
  })

  test('is seen by who waits for a job within a second, though nothing is heard', async () => {
    const { stores } = await openPostgresJobs(2)
    const [here, there = here] = stores
    const changes = createJobChanges(processScheduler)
    await submit(there, jobOf(1))
    const read = async () => {
      const job = await find(here, 1)
      if (job === undefined) throw new Error('it is there')
      return job
    }
    const waiting = awaitJob(changes, () => performance.now(), jobId(1), read, { waitMs: 30_000 })
    const [job] = await claim(there)
    if (job === undefined) throw new Error('not claimed')
    await settle(there, job, succeeded)
    expect(await waiting).toMatchObject({ status: 'succeeded' })
  })
})

describe('two services on one schema', () => {
  const real = { clock: Date.now, monotonic: () => performance.now(), scheduler: processScheduler }
  const open = (store: JobStore, concurrency: number) => {
    const { jobs } = openTestJobs({ ...real, store, concurrency })
    onTestFinished(() => jobs.close({ graceMs: 0 }))
    return jobs
  }
  const request = { owner: 'acme', keyId: 'key_a', model: 'echo', inputs: ['a'] } as const

  test('a job submitted on one is run by the other, waited for and followed on the first', async () => {
    const { stores } = await openPostgresJobs(2)
    const [here, there = here] = stores
    const first = open(here, 0)
    open(there, 4)
    const { job } = await first.submit({ ...request, kind: 'single' })
    const ended = await first.get('acme', job.id, { waitMs: 30_000 })
    expect(ended).toMatchObject({ status: 'succeeded' })
    const versions: number[] = []
    const second = await first.submit({ ...request, kind: 'batch', inputs: ['a', 'b', 'c', 'd'] })
    for await (const { version } of await first.events('acme', second.job.id, {})) versions.push(version)
    expect(versions.length).toBeGreaterThan(0)
    expect(await first.get('acme', second.job.id, {})).toMatchObject({ status: 'succeeded' })
  })

  test('a process that is stopped for longer than its lease has its job run by another, and says so once when it goes on', async () => {
    const { stores, url } = await openPostgresJobs(1)
    const [here] = stores
    const leaseMs = 2_000
    const held = startProcess('hold-job', url, String(leaseMs))
    onTestFinished(async () => void (await held.kill()))
    const { job } = await open(here, 0).submit({
      ...request,
      requestId: 'req7',
      model: 'slow',
      kind: 'single',
    })
    const lines = await held.waitForLines(1)
    held.freeze()
    const there = openTestJobs({
      ...real,
      store: here,
      models: new Map([['slow', { batchMax: 1, predict: () => ['there'] }]]),
    })
    onTestFinished(() => there.jobs.close({ graceMs: 0 }))
    const ended = await there.jobs.get('acme', job.id, { waitMs: 60_000 })
    expect(ended).toMatchObject({ status: 'succeeded', result: 'there', attempts: 2 })
    held.thaw()
    const lost = (): readonly string[] => lines.filter((line) => line.startsWith('job.lease_lost'))
    await expect.poll(lost, { timeout: 30_000 }).not.toEqual([])
    held.tell('end')
    await held.ended
    expect(lost()).toEqual([`job.lease_lost ${job.id} 1 req7`])
    expect(lines.filter((line) => line === 'asked')).toHaveLength(1)
    expect(there.operational).toEqual([])
    expect(await there.jobs.get('acme', job.id)).toMatchObject({ result: 'there', attempts: 2 })
  })

  test('an idempotency key is one request on both', async () => {
    const { stores } = await openPostgresJobs(2)
    const jobs = stores.map((store) => open(store, 0))
    const idempotency = { owner: 'acme', key: 'once', request: Buffer.from('a') }
    const submitted = await Promise.all(
      [0, 1, 0, 1].map((node) =>
        jobs[node]?.submit({ ...request, kind: 'single', idempotency }).catch(() => undefined),
      ),
    )
    const ids = new Set(submitted.flatMap((each) => each?.job.id ?? []))
    expect(ids.size).toBe(1)
    const again = await jobs[1]?.submit({ ...request, kind: 'single', idempotency })
    expect(again).toMatchObject({ isReplayed: true, job: { id: [...ids][0] } })
  })
})

describe('long inputs and answers', () => {
  const long = JSON.stringify(Array.from({ length: 9 }, (_, index) => `${index}é\u{1F511}`.repeat(60_000)))

  test('come back as they were, and count', async () => {
    const { stores, postgres } = await openPostgresJobs(2)
    const [store, other = store] = stores
    await submit(store, jobOf(1, { kind: 'batch', total: 9, inputs: long }))
    expect(await countBytes(store)).toBe(1_024 + Buffer.byteLength(long))
    const [job] = await claim(other)
    expect(job?.inputs).toBe(long)
    if (job === undefined) throw new Error('not claimed')
    const half = long.slice(1, -1).split('","').slice(0, 4).join('","')
    const rest = long.slice(half.length + 3, -1)
    await extend(other, [{ ...job, answers: answered(`${half}"`, 4) }], jobBegin + leaseMs)
    await settle(other, job, { ...done, answers: answered(rest, 5, 4) })
    expect((await find(store, 1))?.result).toBe(long)
    expect(await findMiscounts(postgres)).toEqual([])
  })

  test('answers that are written ahead are their job’s with its end alone, and leave nothing where it is lost', async () => {
    const { stores, postgres } = await openPostgresJobs(2)
    const [store, other = store] = stores
    const text = JSON.stringify('é'.repeat(1_500_000))
    const job = await startJob(store)
    const [again] = await claim(other, { now: jobBegin + leaseMs })
    if (again === undefined) throw new Error('not claimed')
    const end = { ...done, answers: answered(text) }
    expect(await settle(store, job, end), 'its lease is lost').toBeUndefined()
    expect(await findMiscounts(postgres)).toEqual([])
    const full = { ...wide, ownerBytesMax: 1_000_000 }
    const lease = { id: again.id, lease: again.lease }
    const { unstored } = await other.extend(
      [{ ...lease, answers: end.answers }],
      jobBegin + 2 * leaseMs,
      full,
    )
    expect(unstored).toEqual([{ id: again.id, full: 'owner_bytes_full' }])
    expect(await findMiscounts(postgres)).toEqual([])
    expect(await settle(other, again, end)).toMatchObject({ status: 'succeeded' })
    expect((await find(store, 1))?.result).toBe(text)
    expect(await findMiscounts(postgres)).toEqual([])
  })

  test('that are refused leave nothing, and what a killed process left is deleted after minutes', async () => {
    const { stores, postgres } = await openPostgresJobs()
    const [store] = stores
    const { query, schema } = postgres
    const count = async () => (await query(`SELECT FROM ${schema}.job_inputs`)).length
    const jobs = [jobOf(1, { inputs: long })]
    for (const bounds of [{ bytesMax: 9_999 }, { ownerBytesMax: 9_999 }, { jobsMax: 0 }]) {
      expect(await store.submit({ jobs, bounds: { ...wide, ...bounds } })).not.toEqual({
        outcome: 'accepted',
      })
      expect(await count()).toBe(0)
    }
    await query(`SELECT ${schema}.begin_inputs('[')`)
    await store.forgetExpired(jobBegin, 10)
    expect(await count()).toBe(1)
    await query(`UPDATE ${schema}.texts_ahead SET begun_at = now() - interval '11 minutes'`)
    await store.forgetExpired(jobBegin, 10)
    expect(await count()).toBe(0)
  })

  test('an input that is missing fails its job, with the reason, and no other', async () => {
    const { stores, postgres } = await openPostgresJobs()
    const [store] = stores
    await submit(store, jobOf(1), jobOf(2))
    await postgres.query(`DELETE FROM ${postgres.schema}.job_inputs WHERE inputs LIKE '%1%'`)
    const outcome = await store.claim(askOf())
    expect(outcome.claimed.map(({ id }) => id)).toEqual([jobId(2)])
    expect(outcome.ended).toMatchObject([{ id: jobId(1), status: 'failed', error: { code: 'internal' } }])
  })

  test('answers that are not as many as the inputs end no job as a success', async () => {
    const { stores } = await openPostgresJobs()
    const [store] = stores
    await submit(store, jobOf(1, { kind: 'batch', total: 4, inputs: '[1,2,3,4]', attemptsMax: 2 }))
    for (const status of ['queued', 'dead']) {
      const [job] = await claim(store)
      if (job === undefined) throw new Error('not claimed')
      expect(await settle(store, job, { ...done, answers: answered('1,[2,3]', 4) })).toMatchObject({
        status,
        done: 0,
      })
    }
  })

  test('what a model says of an input may have characters that the database cannot hold', async () => {
    const { stores } = await openPostgresJobs()
    const [store] = stores
    const error = { code: 'model_failed', detail: 'no \0 and no \ud800, please' } as const
    const webhook = 'https://example.com/hook'
    await endJob(store, jobOf(1, { webhook }), { end: 'failed', error, expiresAt: jobBegin + keepMs })
    expect(await find(store, 1)).toMatchObject({ status: 'failed', error })
    expect((await store.listDeliveries({ limit: 1 }))[0]?.job).toMatchObject({ error })
  })
})

test('the outcome of a claim that was not heard is handed back by the next, and its attempt does not count', async () => {
  const { stores, postgres } = await openPostgresJobs()
  const [store] = stores
  let isCut = true
  const deaf = await openPostgresJobStore({
    macs,
    postgres: {
      ...postgres,
      async query(text, values) {
        const rows = await postgres.query<never>(text, values)
        if (isCut && text.includes('claim_jobs')) throw Object.assign(new Error('cut'), unavailable)
        return rows
      },
    },
    url: 'postgres://127.0.0.1/none',
    node: 'deaf',
  })
  await startJob(store, jobOf(9, { model: 'other' }))
  await submit(store, jobOf(1, { attemptsMax: 1 }))
  await expect(deaf.claim(askOf())).rejects.toMatchObject({ message: 'cut' })
  expect(await find(store, 1)).toMatchObject({ status: 'running', attempts: 1 })
  isCut = false
  expect(await claim(deaf)).toMatchObject([{ id: jobId(1), attempts: 1 }])
  await deaf.close()
})
