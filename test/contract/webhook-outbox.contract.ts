import { expect, test } from 'vitest'
import type { DeliveryAttempt, WebhookDelivery, WebhookSecret } from '../../src/webhooks/outbox.ts'
import {
  askOf,
  claim,
  endJob,
  failed,
  find,
  type GetStore,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  released,
  retryAt,
  settle,
  startJob,
  submit,
  succeeded,
} from './job-fixtures.ts'

const webhook = 'https://example.com/hook'
const answered = { at: jobBegin, status: 200, reason: null }
const late = { at: jobBegin, status: null, reason: 'timeout' } as const

/**
 * Each end of a job with a webhook is delivered, one attempt at a time, until delivered or given
 * up.
 */
export function testWebhookOutbox(get: GetStore): void {
  testDeliveries(get, async (fields = {}) => {
    const ask = {
      max: 100,
      ownerMax: 100,
      now: jobBegin,
      until: (fields.now ?? jobBegin) + leaseMs,
      ...fields,
    }
    return get().claimDeliveries(ask)
  })
  testSecrets(get)
}

type Ask = Partial<Parameters<ReturnType<GetStore>['claimDeliveries']>[0]>

function testDeliveries(get: GetStore, take: (fields?: Ask) => Promise<readonly WebhookDelivery[]>): void {
  const list = (query: { jobId?: string; owner?: string; limit?: number } = {}) =>
    get().listDeliveries({ limit: 1_000, ...query })
  const settleDelivery = (
    { id, lease }: WebhookDelivery,
    then: DeliveryAttempt['then'],
    result: DeliveryAttempt['result'] = answered,
  ) => get().settleDelivery({ id, lease: lease ?? '', result, then })

  test('a job’s end and its delivery come together, with the job as it ended but its result', async () => {
    await endJob(get(), jobOf(1, { webhook }))
    const job = { ...(await find(get(), 1)), result: null }
    const [delivery, ...more] = await list()
    expect(more).toEqual([])
    expect(delivery).toEqual({
      id: expect.stringMatching(/^msg_[0-9A-Za-z]{22}$/),
      jobId: jobId(1),
      owner: 'acme',
      url: webhook,
      job,
      isDamaged: false,
      status: 'waiting',
      attempts: 0,
      dueAt: jobBegin,
      createdAt: jobBegin,
      lastAttempt: null,
      lease: null,
    })
  })

  test('every way to end is told once: succeeded, failed, dead, lost and cancelled', async () => {
    await endJob(get(), jobOf(1, { webhook }), succeeded)
    await endJob(get(), jobOf(2, { webhook }), failed)
    await endJob(get(), jobOf(3, { webhook, attemptsMax: 1 }), retryAt(jobBegin))
    await submit(get(), jobOf(4, { webhook }))
    await get().cancel({ id: jobId(4) }, jobBegin, keepMs)
    await get().cancel({ id: jobId(4) }, jobBegin, keepMs)
    await startJob(get(), jobOf(5, { webhook, attemptsMax: 1 }))
    await get().claim(askOf({ now: jobBegin + leaseMs }))
    const statuses = (await list()).map(({ jobId: id, job }) => [id, job.status])
    expect(statuses.toSorted()).toEqual([
      [jobId(1), 'succeeded'],
      [jobId(2), 'failed'],
      [jobId(3), 'dead'],
      [jobId(4), 'cancelled'],
      [jobId(5), 'dead'],
    ])
  })

  test('no delivery for a job that names no webhook, has not ended, or whose lease was lost', async () => {
    await endJob(get(), jobOf(1))
    const job = await startJob(get(), jobOf(2, { webhook }))
    await settle(get(), job, retryAt(jobBegin))
    const [again] = await claim(get())
    if (again === undefined) throw new Error('not claimed')
    await settle(get(), again, released)
    await settle(get(), job, succeeded)
    expect(await list()).toEqual([])
  })

  test('a job that is retried and ends again is told again, the first message unchanged', async () => {
    await endJob(get(), jobOf(1, { webhook }), failed)
    const [first] = await list()
    await get().retry({ id: jobId(1) }, jobBegin)
    const [job] = await claim(get())
    if (job === undefined) throw new Error('not claimed')
    await settle(get(), job, succeeded)
    const [newest, oldest] = await list()
    expect(newest?.job.status).toBe('succeeded')
    expect(oldest).toEqual(first)
    expect(newest?.id).not.toBe(first?.id)
  })

  test('a due delivery is leased to one worker, its attempt counted, and again once the lease has ended', async () => {
    await endJob(get(), jobOf(1, { webhook }))
    expect(await take({ now: jobBegin - 1 })).toEqual([])
    const [first] = await take()
    expect(first).toMatchObject({ jobId: jobId(1), attempts: 1, status: 'waiting' })
    expect(first?.lease).toEqual(expect.stringMatching(/./))
    expect(await take({ now: jobBegin + leaseMs - 1 })).toEqual([])
    const [second] = await take({ now: jobBegin + leaseMs })
    expect(second).toMatchObject({ id: first?.id, attempts: 2 })
    if (first === undefined || second === undefined) throw new Error('not claimed')
    await settleDelivery(first, 'delivered')
    expect((await list())[0], 'the first lease is held no more').toMatchObject({
      status: 'waiting',
      lastAttempt: null,
    })
    await settleDelivery(second, 'delivered')
    expect((await list())[0]).toMatchObject({ status: 'delivered' })
  })

  test('claims at once lease no delivery twice', async () => {
    for (const number of [1, 2, 3, 4, 5, 6]) await endJob(get(), jobOf(number, { webhook }))
    const claims = await Promise.all([1, 2, 3, 4].map(() => take({ max: 2 })))
    expect(new Set(claims.flat().map(({ id }) => id)).size).toBe(6)
    expect(claims.flat()).toHaveLength(6)
  })

  test('a delivery ends as delivered or failed, with what its last attempt came to, and is not tried again', async () => {
    for (const [number, then, result] of [
      [1, 'delivered', answered],
      [2, 'failed', late],
    ] as const) {
      await endJob(get(), jobOf(number, { webhook }))
      const [delivery] = await take()
      if (delivery === undefined) throw new Error('not claimed')
      await settleDelivery(delivery, then, result)
      await settleDelivery(delivery, { retryAt: jobBegin }, answered)
      expect(await list({ jobId: jobId(number) })).toMatchObject([
        { status: then, attempts: 1, dueAt: null, lastAttempt: result, lease: null },
      ])
      expect(await take({ now: jobBegin + keepMs })).toEqual([])
    }
  })

  test('a delivery to be tried again waits for its time', async () => {
    await endJob(get(), jobOf(1, { webhook }))
    const [delivery] = await take()
    if (delivery === undefined) throw new Error('not claimed')
    await settleDelivery(delivery, { retryAt: jobBegin + 500 }, late)
    expect(await list()).toMatchObject([
      { status: 'waiting', attempts: 1, dueAt: jobBegin + 500, lastAttempt: late, lease: null },
    ])
    expect(await take({ now: jobBegin + 499 })).toEqual([])
    expect(await take({ now: jobBegin + 500 })).toMatchObject([{ id: delivery.id, attempts: 2 }])
  })

  test('what is due longest comes first, up to `max`', async () => {
    for (const [number, at] of [
      [1, 30],
      [2, 10],
      [3, 20],
    ] as const) {
      const job = await startJob(get(), jobOf(number, { webhook, owner: `owner ${number}` }))
      await settle(get(), job, failed, jobBegin + at)
    }
    const now = jobBegin + 50
    expect((await take({ now, max: 2 })).map((delivery) => delivery.jobId)).toEqual([jobId(2), jobId(3)])
    expect((await take({ now, max: 2 })).map((delivery) => delivery.jobId)).toEqual([jobId(1)])
  })

  test('one owner’s share of leases is bounded, those of earlier claims among them, until they end', async () => {
    for (const number of [1, 2, 3, 4, 5]) await endJob(get(), jobOf(number, { webhook, owner: 'many' }))
    const last = await startJob(get(), jobOf(6, { webhook, owner: 'one' }))
    await settle(get(), last, failed, jobBegin + 1)
    const now = jobBegin + 1
    const first = await take({ now, max: 3, ownerMax: 2 })
    expect(first.map(({ owner }) => owner).toSorted()).toEqual(['many', 'many', 'one'])
    expect(await take({ now, ownerMax: 2 })).toEqual([])
    expect(await take({ now, ownerMax: 3 })).toMatchObject([{ owner: 'many' }])
    const done = first.find(({ owner }) => owner === 'many')
    if (done === undefined) throw new Error('not claimed')
    await settleDelivery(done, 'delivered')
    expect(await take({ now, ownerMax: 3 })).toMatchObject([{ owner: 'many' }])
    expect(await take({ now: now + leaseMs, ownerMax: 4 }), 'leases have ended').toHaveLength(5)
  })

  test('deliveries are listed newest first, of a job or an owner, without leases', async () => {
    for (const number of [1, 2, 3])
      await settle(
        get(),
        await startJob(get(), jobOf(number, { webhook, owner: number === 2 ? 'globex' : 'acme' })),
        failed,
        jobBegin + number,
      )
    await take({ now: jobBegin + 10 })
    const listed = await list()
    expect(listed.map((delivery) => delivery.jobId)).toEqual([3, 2, 1].map(jobId))
    expect(listed.map(({ lease }) => lease)).toEqual([null, null, null])
    expect((await list({ limit: 2 })).map((delivery) => delivery.jobId)).toEqual([3, 2].map(jobId))
    expect((await list({ owner: 'acme' })).map((delivery) => delivery.jobId)).toEqual([3, 1].map(jobId))
    expect(await list({ owner: 'globex', jobId: jobId(1) })).toEqual([])
    expect(await list({ jobId: jobId(1) })).toHaveLength(1)
  })

  test('a delivery is forgotten with its job, or, where it still waits then, once it has ended', async () => {
    await endJob(get(), jobOf(1, { webhook }))
    const [done] = await take()
    if (done === undefined) throw new Error('not claimed')
    await settleDelivery(done, 'delivered')
    await endJob(get(), jobOf(2, { webhook }))
    expect(await get().forgetExpired(jobBegin + keepMs, 10)).toBe(2)
    expect(await list()).toMatchObject([{ jobId: jobId(2), job: { status: 'succeeded' } }])
    const [waiting] = await take({ now: jobBegin + keepMs })
    expect(waiting).toMatchObject({ jobId: jobId(2), job: { id: jobId(2), status: 'succeeded' } })
    if (waiting === undefined) throw new Error('not claimed')
    await settleDelivery(waiting, { retryAt: jobBegin + keepMs + 1 }, late)
    await get().forgetExpired(jobBegin + keepMs + 1, 10)
    const [again] = await take({ now: jobBegin + keepMs + 1 })
    if (again === undefined) throw new Error('not claimed')
    await settleDelivery(again, 'failed', late)
    await get().forgetExpired(jobBegin + keepMs + 1, 10)
    expect(await list()).toEqual([])
  })

  test('an attempt at a delivery that never was changes nothing', async () => {
    await endJob(get(), jobOf(1, { webhook }))
    await take()
    const [before] = await list()
    if (before === undefined) throw new Error('nothing was put out')
    await settleDelivery({ ...before, id: 'msg_none', lease: 'x' }, 'delivered')
    await settleDelivery({ ...before, lease: '' }, 'delivered')
    expect(await list()).toEqual([before])
  })
}

function secretOf(number: number, fields: Partial<WebhookSecret> = {}): WebhookSecret {
  const createdAt = jobBegin + number
  return { owner: 'acme', sealed: new Uint8Array([number, 0, 255]), createdAt, signsUntil: null, ...fields }
}

function testSecrets(get: GetStore): void {
  const signing = async (owner: string, now: number): Promise<number[]> =>
    (await get().findWebhookSecrets(owner, now)).map(({ sealed }) => sealed[0] ?? -1)

  test('a secret comes back as it was added, to its owner alone, and no other owner can change it', async () => {
    const secret = secretOf(1)
    await get().addWebhookSecret(secret, jobBegin)
    const [found] = await get().findWebhookSecrets('acme', jobBegin + keepMs)
    expect(found).toMatchObject({ owner: 'acme', createdAt: jobBegin + 1, signsUntil: null })
    expect([...(found?.sealed ?? [])]).toEqual([1, 0, 255])
    found?.sealed.fill(9)
    secret.sealed.fill(9)
    expect(await signing('acme', jobBegin)).toEqual([1])
    expect(await signing('globex', jobBegin)).toEqual([])
  })

  test('the newest signs first, the one before it until the overlap ends', async () => {
    await get().addWebhookSecret(secretOf(1), jobBegin)
    await get().addWebhookSecret(secretOf(2), jobBegin + 100)
    expect(await signing('acme', jobBegin + 99)).toEqual([2, 1])
    expect(await signing('acme', jobBegin + 100)).toEqual([2])
    expect((await get().findWebhookSecrets('acme', jobBegin))[1]?.signsUntil).toBe(jobBegin + 100)
  })

  test('a rotation within an overlap leaves two that sign: those before are ended', async () => {
    await get().addWebhookSecret(secretOf(1), jobBegin)
    await get().addWebhookSecret(secretOf(2), jobBegin + 1_000)
    await get().addWebhookSecret(secretOf(3), jobBegin + 500)
    expect(await signing('acme', jobBegin + 10)).toEqual([3, 2])
    expect(await signing('acme', jobBegin + 500)).toEqual([3])
  })

  test('of secrets that were made in one moment the one added last is the newest', async () => {
    await get().addWebhookSecret(secretOf(1, { createdAt: jobBegin }), jobBegin)
    await get().addWebhookSecret(secretOf(2, { createdAt: jobBegin }), jobBegin + 10)
    expect(await signing('acme', jobBegin)).toEqual([2, 1])
  })
}
