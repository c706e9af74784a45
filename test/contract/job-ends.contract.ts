import { expect, test } from 'vitest'
import type { JobStatus } from '../../src/jobs/job.ts'
import type { AttemptEnd } from '../../src/jobs/job-queue.ts'
import {
  answered,
  claim,
  endJob,
  extend,
  failed,
  find,
  type GetStore,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  lateness,
  released,
  retryAt,
  settle,
  startJob,
  submit,
  succeeded,
  wide,
} from './job-fixtures.ts'

/** An attempt ends once, a job that has not ended can be cancelled, and a failed one retried. */
export function testJobEnds(get: GetStore): void {
  testSettling(get)
  testCancelling(get)
  testRetrying(get)
}

function testSettling(get: GetStore): void {
  test('a job that succeeded has its result, all of it done, until it expires', async () => {
    const job = await startJob(get(), jobOf(1, { kind: 'batch', total: 3 }))
    const result = JSON.stringify([{ text: 'é\0\u{1F511}' }, 1, null])
    const answers = answered(result.slice(1, -1), 3)
    const settled = await settle(
      get(),
      job,
      { end: 'succeeded', answers, expiresAt: jobBegin + 9 },
      jobBegin + 2,
    )
    const found = await find(get(), 1)
    expect(found).toMatchObject({
      status: 'succeeded',
      result,
      done: 3,
      error: null,
      attempts: 1,
      startedAt: jobBegin,
      finishedAt: jobBegin + 2,
      expiresAt: jobBegin + 9,
      version: 3,
    })
    expect({ ...settled, result }).toEqual(found)
  })

  test('a result that is longer than is asked for is left out, and no other', async () => {
    const result = JSON.stringify('é'.repeat(100))
    await endJob(get(), jobOf(1), { end: 'succeeded', answers: answered(result), expiresAt: jobBegin + 9 })
    for (const resultMax of [undefined, 1_000, result.length])
      expect(await get().findJob({ id: jobId(1) }, jobBegin, resultMax)).toMatchObject({ result })
    expect(await get().findJob({ id: jobId(1) }, jobBegin, 20)).toMatchObject({ result: null, done: 1 })
  })

  test('a job that failed for good is not tried again and says why', async () => {
    await settle(get(), await startJob(get()), failed, jobBegin + 1)
    expect(await find(get(), 1)).toMatchObject({
      status: 'failed',
      error: lateness,
      result: null,
      finishedAt: jobBegin + 1,
      expiresAt: jobBegin + keepMs,
    })
    expect(await claim(get(), { now: jobBegin + keepMs / 2 })).toEqual([])
  })

  test('an attempt to be tried again puts the job back, with what is done and no error to show', async () => {
    const job = await startJob(get(), jobOf(1, { total: 5 }))
    await extend(get(), [{ ...job, answers: answered('1,2', 2) }], jobBegin + 1)
    expect(await settle(get(), job, retryAt(jobBegin + 10))).toMatchObject({ status: 'queued' })
    expect(await find(get(), 1)).toMatchObject({
      status: 'queued',
      attempts: 1,
      done: 2,
      error: null,
      finishedAt: null,
      expiresAt: null,
      version: 4,
    })
  })

  test('the last attempt to be tried again leaves the job dead, with its error', async () => {
    await settle(get(), await startJob(get(), jobOf(1, { attemptsMax: 1 })), retryAt(jobBegin), jobBegin + 3)
    expect(await find(get(), 1)).toMatchObject({
      status: 'dead',
      error: lateness,
      attempts: 1,
      finishedAt: jobBegin + 3,
      expiresAt: jobBegin + keepMs,
    })
    expect(await claim(get(), { now: jobBegin + 5 })).toEqual([])
  })

  test('an attempt that is handed back does not count, however often that happens', async () => {
    await submit(get(), jobOf(1, { attemptsMax: 1 }))
    for (const _ of [1, 2, 3]) {
      const [job] = await claim(get())
      if (job === undefined) throw new Error('not claimed')
      expect(job.attempts).toBe(1)
      expect(await settle(get(), job, released)).toMatchObject({ status: 'queued', attempts: 0 })
    }
    expect(await find(get(), 1)).toMatchObject({ status: 'queued', attempts: 0, done: 0, version: 7 })
  })

  test('an attempt ends once: a second end of any kind changes nothing', async () => {
    const job = await startJob(get())
    await settle(get(), job, succeeded)
    const before = await find(get(), 1)
    for (const end of [failed, released, retryAt(jobBegin), { ...succeeded, result: '"other"' } as const])
      expect(await settle(get(), job, end, jobBegin + 7)).toBeUndefined()
    expect(await find(get(), 1)).toEqual(before)
  })

  test('ends at once of one attempt have one winner', async () => {
    const job = await startJob(get())
    const ends = await Promise.all([...Array(10)].map(() => settle(get(), job, succeeded)))
    expect(ends.filter((settled) => settled !== undefined)).toHaveLength(1)
    const { id, lease } = await startJob(get(), jobOf(2))
    const end = { id, lease, end: 'failed', error: lateness, expiresAt: jobBegin + keepMs } as const
    expect((await get().settle([end, end], jobBegin, wide)).settled).toHaveLength(1)
  })

  test('of two ends of one attempt in one call the first counts, however much it stores', async () => {
    const { id, lease } = await startJob(get(), jobOf(1, { total: 3 }))
    const ends = [answered('0,1', 2), []].map(
      (answers) => ({ id, lease, answers, ...released }) as AttemptEnd,
    )
    const { settled } = await get().settle(ends, jobBegin, wide)
    expect(settled).toMatchObject([{ id, status: 'queued', done: 2 }])
    expect(await find(get(), 1)).toMatchObject({ done: 2 })
  })

  test('a lease ends its own job alone', async () => {
    await submit(get(), jobOf(1), jobOf(2))
    const [one, two] = await claim(get())
    if (!one || !two) throw new Error('not claimed')
    expect(await settle(get(), { id: one.id, lease: two.lease }, succeeded)).toBeUndefined()
    expect(await settle(get(), { id: jobId(9), lease: one.lease }, succeeded)).toBeUndefined()
    expect(await settle(get(), { id: one.id, lease: '' }, succeeded)).toBeUndefined()
    expect(await get().countJobs()).toEqual({ queued: 0, running: 2 })
  })

  test('many attempts end in one call, those that are held in the order given', async () => {
    await submit(get(), jobOf(1), jobOf(2), jobOf(3))
    const jobs = await claim(get())
    await get().cancel({ id: jobId(2) }, jobBegin, keepMs)
    const ends = jobs.toReversed().map(({ id, lease }) => ({ id, lease, ...released }) as AttemptEnd)
    const { settled } = await get().settle(ends, jobBegin, wide)
    expect(settled.map(({ id }) => id)).toEqual([jobId(3), jobId(1)])
    expect((await get().settle([], jobBegin, wide)).settled).toEqual([])
  })
}

function testCancelling(get: GetStore): void {
  test('a waiting job that is cancelled is never begun', async () => {
    await submit(get(), jobOf(1))
    const cancelled = await get().cancel({ id: jobId(1), owner: 'acme' }, jobBegin + 1, 500)
    expect(cancelled).toEqual({ job: await find(get(), 1), cancelled: true })
    expect(cancelled?.job).toMatchObject({
      status: 'cancelled',
      finishedAt: jobBegin + 1,
      expiresAt: jobBegin + 501,
      error: null,
      startedAt: null,
      attempts: 0,
      version: 2,
    })
    expect(await claim(get(), { now: jobBegin + 1 })).toEqual([])
    expect(await get().countJobs()).toEqual({ queued: 0, running: 0 })
  })

  test('a running job that is cancelled stays so, whatever its worker says', async () => {
    const job = await startJob(get())
    expect(await get().cancel({ id: job.id }, jobBegin, keepMs)).toMatchObject({ cancelled: true })
    expect((await extend(get(), [job], jobBegin + 1)).lost).toEqual([job.id])
    expect(await settle(get(), job, succeeded)).toBeUndefined()
    expect(await find(get(), 1)).toMatchObject({ status: 'cancelled', result: null, attempts: 1 })
  })

  test('a job that waits to be tried again can be cancelled', async () => {
    await settle(get(), await startJob(get()), retryAt(jobBegin + 5))
    expect(await get().cancel({ id: jobId(1) }, jobBegin, keepMs)).toMatchObject({ cancelled: true })
    expect(await claim(get(), { now: jobBegin + 5 })).toEqual([])
  })

  test('a job that has ended is given as it is, with its result', async () => {
    await endJob(get(), jobOf(1))
    const before = await find(get(), 1)
    expect(await get().cancel({ id: jobId(1) }, jobBegin + 1, keepMs)).toEqual({
      job: before,
      cancelled: false,
    })
    expect(before?.result).toBe('{"label":"good"}')
    expect(await find(get(), 1)).toEqual(before)
  })

  test('to another owner the job does not exist; to an administrator it does', async () => {
    await submit(get(), jobOf(1))
    expect(await get().cancel({ id: jobId(1), owner: 'globex' }, jobBegin, keepMs)).toBeUndefined()
    expect(await get().cancel({ id: jobId(2), owner: 'acme' }, jobBegin, keepMs)).toBeUndefined()
    expect(await find(get(), 1)).toMatchObject({ status: 'queued' })
    expect(await get().cancel({ id: jobId(1) }, jobBegin, keepMs)).toMatchObject({ cancelled: true })
  })

  test('of a cancellation and an end at once, one is done and stays', async () => {
    const job = await startJob(get())
    const [cancelled, settled] = await Promise.all([
      get().cancel({ id: job.id }, jobBegin, keepMs),
      settle(get(), job, succeeded),
    ])
    expect(cancelled?.cancelled).toBe(settled === undefined)
    expect((await find(get(), 1))?.status).toBe(settled === undefined ? 'cancelled' : 'succeeded')
  })
}

function testRetrying(get: GetStore): void {
  test('a dead or failed job is queued anew with all its attempts, due at once', async () => {
    for (const [number, end, status] of [
      [1, retryAt(jobBegin), 'dead'],
      [2, failed, 'failed'],
    ] as const) {
      await endJob(get(), jobOf(number, { attemptsMax: 1, total: 2 }), end)
      expect(await find(get(), number)).toMatchObject({ status, attempts: 1 })
      const outcome = await get().retry({ id: jobId(number), owner: 'acme' }, jobBegin + 1)
      expect(outcome).toEqual({ job: await find(get(), number), retried: true })
      expect(outcome?.job).toMatchObject({
        status: 'queued',
        attempts: 0,
        done: 0,
        error: null,
        finishedAt: null,
        expiresAt: null,
        version: 4,
      })
      const [again] = await claim(get())
      expect(again).toMatchObject({ id: jobId(number), attempts: 1, inputs: jobOf(number).inputs })
    }
  })

  test('a dead job with an answer for some input keeps all that is stored; one of problems alone begins anew', async () => {
    for (const [errors, done] of [
      [1, 2],
      [2, 0],
    ] as const) {
      const job = jobOf(1 + errors, { kind: 'batch', total: 2, attemptsMax: 1 })
      const answers = [{ from: 0, inputs: 2, errors, text: '1,2' }]
      await endJob(get(), job, { ...retryAt(jobBegin), answers })
      const outcome = await get().retry({ id: job.id }, jobBegin)
      expect(outcome?.job).toMatchObject({ status: 'queued', done, errors: done === 0 ? 0 : errors })
      await get().cancel({ id: job.id }, jobBegin, keepMs)
    }
  })

  test('a retried job is not forgotten when it would have expired', async () => {
    await endJob(get(), jobOf(1), failed)
    await get().retry({ id: jobId(1) }, jobBegin)
    expect(await get().forgetExpired(jobBegin + 2 * keepMs, 10)).toBe(0)
    expect(await find(get(), 1, jobBegin + 2 * keepMs)).toMatchObject({ status: 'queued' })
  })

  test('a job of any other status is left as it is', async () => {
    await submit(get(), jobOf(1))
    const [running] = await claim(get())
    await submit(get(), jobOf(2), jobOf(4))
    await get().cancel({ id: jobId(4) }, jobBegin, keepMs)
    await submit(get(), jobOf(3, { priority: 9 }))
    const [third] = await claim(get(), { max: 1 })
    if (!running || !third) throw new Error('not claimed')
    await settle(get(), third, succeeded)
    const statuses: JobStatus[] = ['running', 'queued', 'succeeded', 'cancelled']
    for (const [index, status] of statuses.entries()) {
      const before = await find(get(), index + 1)
      expect(before?.status).toBe(status)
      expect(await get().retry({ id: jobId(index + 1) }, jobBegin)).toEqual({ job: before, retried: false })
      expect(await find(get(), index + 1)).toEqual(before)
    }
  })

  test('a retry of another owner’s job, or of none, finds nothing', async () => {
    await endJob(get(), jobOf(1), failed)
    expect(await get().retry({ id: jobId(1), owner: 'globex' }, jobBegin)).toBeUndefined()
    expect(await get().retry({ id: jobId(2) }, jobBegin)).toBeUndefined()
    expect(await get().retry({ id: jobId(1) }, jobBegin + keepMs), 'expired').toBeUndefined()
    expect(await get().cancel({ id: jobId(1) }, jobBegin + keepMs, keepMs), 'expired').toBeUndefined()
    expect(await find(get(), 1)).toMatchObject({ status: 'failed' })
  })

  test('retries at once queue the job once', async () => {
    await endJob(get(), jobOf(1), failed)
    const outcomes = await Promise.all([1, 2, 3].map(() => get().retry({ id: jobId(1) }, jobBegin)))
    expect(outcomes.filter((outcome) => outcome?.retried)).toHaveLength(1)
    expect(await claim(get())).toHaveLength(1)
  })
}
