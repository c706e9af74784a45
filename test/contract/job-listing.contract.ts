import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jobStatuses } from '../../src/jobs/job.ts'
import type { ClaimedJob } from '../../src/jobs/job-queue.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import {
  claim,
  endJob,
  failed,
  find,
  type GetStore,
  idsOf,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  listIds,
  released,
  reservationOf,
  reservedAnswerOf,
  retryAt,
  settle,
  startJob,
  submit,
  succeeded,
  wide,
} from './job-fixtures.ts'

const expired = jobBegin + keepMs
const none = { queued: 0, retrying: 0, running: 0, failed: 0, dead: 0 }

/** Jobs are found by their owner until they expire, listed newest first, and then forgotten. */
export function testJobListing(get: GetStore): void {
  testFinding(get)
  testLists(get)
  testForgetting(get)
}

function testFinding(get: GetStore): void {
  test('an unknown id finds nothing, whatever it is made of', async () => {
    await submit(get(), jobOf(1))
    for (const id of ['', jobId(2), jobId(1).toUpperCase(), `${jobId(1)} `, "' OR 1=1 --", '%', '\0'])
      expect(await get().findJob({ id }, jobBegin), JSON.stringify(id)).toBeUndefined()
  })

  test('to every other owner a job does not exist', async () => {
    await submit(get(), jobOf(1))
    expect(await get().findJob({ id: jobId(1), owner: 'acme' }, jobBegin)).toBeDefined()
    for (const owner of ['globex', '', 'ACME', 'acme '])
      expect(await get().findJob({ id: jobId(1), owner }, jobBegin), owner).toBeUndefined()
  })

  test('a job is found until it expires, and not at that moment, though it is not yet forgotten', async () => {
    await endJob(get(), jobOf(1))
    expect(await find(get(), 1, expired - 1)).toMatchObject({ result: '{"label":"good"}' })
    expect(await find(get(), 1, expired)).toBeUndefined()
    expect(await listIds(get(), { now: expired - 1 })).toEqual([1])
    expect(await listIds(get(), { now: expired })).toEqual([])
  })

  test('a job that has not ended never expires', async () => {
    await startJob(get(), jobOf(1))
    await submit(get(), jobOf(2))
    expect(await get().forgetExpired(jobBegin + 1_000 * keepMs, 10)).toBe(0)
    expect(await listIds(get(), { now: jobBegin + 1_000 * keepMs })).toEqual([2, 1])
  })

  test('waiting and running jobs are counted, those that have ended are not', async () => {
    await submit(get(), jobOf(1), jobOf(2), jobOf(3))
    const [one] = await claim(get(), { max: 2 })
    expect(await get().countJobs()).toEqual({ queued: 1, running: 2 })
    if (one !== undefined) await settle(get(), one, failed)
    expect(await get().countJobs()).toEqual({ queued: 1, running: 1 })
    await get().retry({ id: jobId(1) }, jobBegin)
    expect(await get().countJobs()).toEqual({ queued: 2, running: 1 })
  })

  test('each job is counted in its state: waiting, tried again, running, failed or dead', async () => {
    expect(await get().countStates()).toEqual(none)
    await submit(get(), ...[1, 2, 3, 4, 5, 6, 7].map((n) => jobOf(n, n === 4 ? { attemptsMax: 1 } : {})))
    const [one, two, three, four, five] = await claim(get(), { max: 6 })
    expect(await get().countStates()).toEqual({ ...none, queued: 1, running: 6 })
    if (one !== undefined) await settle(get(), one, failed)
    if (two !== undefined) await settle(get(), two, retryAt(jobBegin + 1_000))
    if (three !== undefined) await settle(get(), three, succeeded)
    if (four !== undefined) await settle(get(), four, retryAt(jobBegin + 1_000))
    if (five !== undefined) await settle(get(), five, released)
    await get().cancel({ id: jobId(7) }, jobBegin, keepMs)
    expect(await get().countStates()).toEqual({ queued: 1, retrying: 1, running: 1, failed: 1, dead: 1 })
    await get().retry({ id: jobId(4) }, jobBegin)
    expect(await get().countStates()).toEqual({ queued: 2, retrying: 1, running: 1, failed: 1, dead: 0 })
    // The time of its next attempt has come, and then a worker has it.
    await claim(get(), { max: 9, now: jobBegin + 2 * keepMs, until: jobBegin + 3 * keepMs })
    expect((await get().countStates()).retrying).toBe(0)
  })
}

function testLists(get: GetStore): void {
  test('ended jobs are listed by their end, the newest first, of every owner and with every end', async () => {
    const started = new Map<number, ClaimedJob>()
    for (const number of [1, 2, 3, 4])
      started.set(number, await startJob(get(), jobOf(number, { owner: `o${number}` })))
    await submit(get(), jobOf(5))
    for (const [number, at] of [
      [3, 1],
      [1, 2],
      [2, 2],
    ] as const) {
      const job = started.get(number)
      if (job !== undefined) await settle(get(), job, number === 1 ? failed : succeeded, jobBegin + at)
    }
    await get().cancel({ id: jobId(5) }, jobBegin + 3, keepMs)
    const all = await get().listEnded({ limit: 10 })
    expect(idsOf(all)).toEqual([5, 2, 1, 3])
    expect(all.every(({ result }) => result === null)).toBe(true)
    const pages: number[] = []
    for (let after: Parameters<JobStore['listEnded']>[0]['after']; ; ) {
      const [job] = await get().listEnded({ limit: 1, ...(after && { after }) })
      if (job === undefined || job.finishedAt === null) break
      pages.push(...idsOf([job]))
      after = { finishedAt: job.finishedAt, id: job.id }
    }
    expect(pages).toEqual([5, 2, 1, 3])
    await get().retry({ id: jobId(1) }, jobBegin)
    expect(idsOf(await get().listEnded({ limit: 10 }))).toEqual([5, 2, 3])
  })

  test('lists give the newest first, those of one moment by id, and no results', async () => {
    await endJob(get(), jobOf(5, { createdAt: jobBegin + 1 }))
    await submit(get(), jobOf(2), jobOf(9), jobOf(4, { createdAt: jobBegin - 1 }))
    const { jobs, hasMore } = await get().listJobs({ limit: 10, now: jobBegin })
    expect(jobs.map(({ id }) => id)).toEqual([5, 9, 2, 4].map(jobId))
    expect(hasMore).toBe(false)
    const found = await find(get(), 5)
    expect(found?.result).not.toBeNull()
    expect(jobs[0]).toEqual({ ...found, result: null })
    expect(jobs[1]).toEqual(await find(get(), 9))
  })

  test('a page says whether more follow', async () => {
    await submit(get(), jobOf(1), jobOf(2))
    for (const [limit, hasMore] of [
      [1, true],
      [2, false],
      [3, false],
    ] as const)
      expect((await get().listJobs({ limit, now: jobBegin })).hasMore).toBe(hasMore)
  })

  test('a page goes on behind a job that is gone by then', async () => {
    await submit(get(), jobOf(1), jobOf(3))
    const after = { createdAt: jobBegin, id: jobId(2) }
    expect(await listIds(get(), { after })).toEqual([1])
  })

  test('every owner, status and page size finds what a plain list holds', async () => {
    const jobs = [...Array(60).keys()].map((number) =>
      jobOf(number, {
        owner: ['acme', 'acm', 'é'][number % 3] ?? '',
        createdAt: jobBegin + ((number * 7) % 10),
        attemptsMax: 1,
      }),
    )
    await submit(get(), ...jobs)
    for (const [index, job] of (await claim(get(), { max: 50 })).entries()) {
      if (index % 4 === 0) await settle(get(), job, succeeded)
      if (index % 4 === 1) await settle(get(), job, failed)
      if (index % 4 === 2) await get().cancel({ id: job.id }, jobBegin, keepMs)
    }
    const all = await Promise.all(jobs.map(({ id }) => get().findJob({ id }, jobBegin)))
    const filters = fc.record(
      { owner: fc.constantFrom('acme', 'acm', 'é', 'nobody'), status: fc.constantFrom(...jobStatuses) },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 1, max: 70 }), async (filter, limit) => {
        const wanted = all
          .flatMap((job) => job ?? [])
          .filter(({ owner }) => filter.owner === undefined || owner === filter.owner)
          .filter(({ status }) => filter.status === undefined || status === filter.status)
          .sort((one, other) => other.createdAt - one.createdAt || (one.id < other.id ? 1 : -1))
        expect(await listIds(get(), { ...filter, limit })).toEqual(
          wanted.map(({ id }) => Number(id.slice(4))),
        )
      }),
      { numRuns: 40 },
    )
  })
}

function testForgetting(get: GetStore): void {
  test('expired jobs go, up to `max` at a time, and no query finds them at any time', async () => {
    for (const number of [1, 2, 3]) await endJob(get(), jobOf(number))
    await submit(get(), jobOf(4))
    expect(await get().forgetExpired(expired - 1, 10)).toBe(0)
    expect(await get().forgetExpired(expired, 2)).toBe(2)
    expect(await listIds(get(), { now: jobBegin })).toHaveLength(2)
    expect(await get().forgetExpired(expired, 2)).toBe(1)
    expect(await get().forgetExpired(expired, 2)).toBe(0)
    expect(await listIds(get(), { now: jobBegin })).toEqual([4])
    await submit(get(), jobOf(1))
    expect(await find(get(), 1), 'nothing of the forgotten one is left').toMatchObject({
      status: 'queued',
      version: 1,
    })
  })

  test('expired answers and ended reservations go, and count', async () => {
    await get().reserve(reservationOf({ id: 'kept' }), jobBegin, wide)
    await get().storeAnswer(reservedAnswerOf({ id: 'kept', expiresAt: jobBegin + 10 }))
    await get().reserve(reservationOf({ id: 'left', until: jobBegin + 10 }), jobBegin, wide)
    await get().reserve(reservationOf({ id: 'held', until: jobBegin + leaseMs }), jobBegin, wide)
    expect(await get().forgetExpired(jobBegin + 9, 10)).toBe(0)
    expect(await get().forgetExpired(jobBegin + 10, 1)).toBe(1)
    expect(await get().forgetExpired(jobBegin + 10, 10)).toBe(1)
    expect(await get().storeAnswer(reservedAnswerOf({ id: 'left' })), 'held no more').toBe(false)
    expect(await get().storeAnswer(reservedAnswerOf({ id: 'held' }))).toBe(true)
    const again = await get().reserve(reservationOf({ id: 'kept', holder: 'two' }), jobBegin, wide)
    expect(again).toEqual({ outcome: 'reserved' })
  })
}
