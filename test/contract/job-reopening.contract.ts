import { expect, type TestContext, test } from 'vitest'
import type { JobStore } from '../../src/storage/job-store.ts'
import {
  answered,
  claim,
  endJob,
  extend,
  failed,
  find,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  type OpenedJobStore,
  released,
  reservationOf,
  reservedAnswerOf,
  retryAt,
  settle,
  startJob,
  submit,
  wide,
} from './job-fixtures.ts'

/** What a store that outlives its process keeps. Skipped for those that do not. */
export function testJobReopening(getOpened: () => OpenedJobStore): void {
  const reopening = (context: TestContext): { store: JobStore; reopen: () => Promise<JobStore> } => {
    const { store, reopen } = getOpened()
    if (reopen === undefined) return context.skip('nothing outlives this store')
    return { store, reopen }
  }

  test('jobs of every status are as they were, and leases still held', async (context) => {
    const { store, reopen } = reopening(context)
    const running = await startJob(store, jobOf(1, { total: 3 }))
    await extend(store, [{ ...running, answers: answered('1,2', 2) }], jobBegin + 2 * leaseMs)
    await endJob(store, jobOf(2))
    await endJob(store, jobOf(3), failed)
    await settle(store, await startJob(store, jobOf(4)), retryAt(jobBegin + 5))
    await submit(store, jobOf(5))
    const before = await Promise.all([1, 2, 3, 4, 5].map((number) => find(store, number)))
    const again = await reopen()
    expect(await Promise.all([1, 2, 3, 4, 5].map((number) => find(again, number)))).toEqual(before)
    expect(await again.countJobs()).toEqual({ queued: 2, running: 1 })
    expect((await claim(again, { now: jobBegin + 4 })).map(({ id }) => id)).toEqual([jobId(5)])
    expect((await claim(again, { now: jobBegin + 5 })).map(({ id }) => id)).toEqual([jobId(4)])
    expect(await settle(again, running, released)).toMatchObject({ status: 'queued' })
  })

  test('owners keep their turns', async (context) => {
    const { store, reopen } = reopening(context)
    for (const owner of ['a', 'b']) {
      await submit(store, jobOf(owner === 'a' ? 1 : 2, { owner }), jobOf(owner === 'a' ? 3 : 4, { owner }))
    }
    const first = (await claim(store, { max: 1 }))[0]?.owner
    const second = (await claim(await reopen(), { max: 1 }))[0]?.owner
    expect([first, second].toSorted()).toEqual(['a', 'b'])
  })

  test('a job and the answer that names it, an end and its delivery, and secrets are there', async (context) => {
    const { store, reopen } = reopening(context)
    await store.reserve(reservationOf(), jobBegin, wide)
    const job = jobOf(1, { webhook: 'https://example.com/hook' })
    await store.submit({ jobs: [job], answer: reservedAnswerOf(), bounds: wide })
    await store.reserve(reservationOf({ id: 'held' }), jobBegin, wide)
    await store.cancel({ id: job.id }, jobBegin, keepMs)
    const secret = { owner: 'acme', sealed: new Uint8Array([1]), createdAt: jobBegin, signsUntil: null }
    await store.addWebhookSecret(secret, jobBegin)
    const [delivery] = await store.claimDeliveries({
      max: 1,
      ownerMax: 1,
      now: jobBegin,
      until: jobBegin + 1,
    })
    const again = await reopen()
    expect(await find(again, 1)).toMatchObject({ status: 'cancelled' })
    const other = reservationOf({ holder: 'two' })
    expect(await again.reserve(other, jobBegin, wide)).toMatchObject({ outcome: 'answered' })
    expect(await again.reserve({ ...other, id: 'held' }, jobBegin, wide)).toMatchObject({
      outcome: 'in_flight',
    })
    expect(await again.listDeliveries({ limit: 10 })).toEqual([{ ...delivery, lease: null }])
    expect(await again.findWebhookSecrets('acme', jobBegin)).toHaveLength(1)
  })
}
