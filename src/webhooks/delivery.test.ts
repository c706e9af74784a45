import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, test } from 'vitest'
import { closeWebhooks, openWebhooks, receiver, statuses } from '../../test/support/open-webhooks.ts'
import { createTargetAddresses } from './target-address.ts'

afterEach(closeWebhooks)

describe('a delivery', () => {
  test('is made as soon as the job has ended, signed, and told of in the ledger', async () => {
    const { url, got } = await receiver(statuses(200))
    const { service, endJob, settled, ended, store } = await openWebhooks()
    const secret = await service.rotateSecret('acme')
    const id = await endJob(1, url)
    await settled(1)
    const [message] = got
    const body = new Webhook(secret).verify(message?.body ?? '', message?.headers ?? {})
    expect(body).toMatchObject({ type: 'job.succeeded', data: { id, status: 'succeeded' } })
    expect(message?.body).not.toMatch(/private|secret result/)
    const [delivery] = await store.listDeliveries({ limit: 10 })
    expect(delivery).toMatchObject({
      status: 'delivered',
      attempts: 1,
      lastAttempt: { status: 200, reason: null },
    })
    expect(message?.headers['webhook-id']).toBe(delivery?.id)
    await expect.poll(ended).toMatchObject([
      {
        owner: 'acme',
        keyId: 'k',
        detail: { job: id, outcome: 'delivered', attempts: 1, status: 200, reason: null },
      },
    ])
  })

  test('that fails is made again after the waits, with the same message, until it succeeds', async () => {
    const { url, got } = await receiver(statuses(500, 503, 200))
    const { service, endJob, settled, pass, ended, store } = await openWebhooks()
    await service.rotateSecret('acme')
    await endJob(1, url)
    await settled(1)
    pass(4_999)
    expect((await store.listDeliveries({ limit: 1 }))[0]).toMatchObject({ status: 'waiting', attempts: 1 })
    pass(1)
    await settled(2)
    expect(ended()).toEqual([])
    pass(300_000)
    await settled(3)
    expect(new Set(got.map(({ body }) => body)).size).toBe(1)
    expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(new Set(got.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(3)
    expect((await store.listDeliveries({ limit: 1 }))[0]).toMatchObject({ status: 'delivered', attempts: 3 })
  })

  test('that fails for more than a day is given up, though its job was forgotten long ago, and that is told', async () => {
    const { url, got } = await receiver(statuses(500))
    const { service, endJob, settled, pass, ended, store, time } = await openWebhooks()
    await service.rotateSecret('acme')
    await endJob(1, url)
    for (let tries = 1; tries < 8; tries += 1) {
      await settled(tries)
      pass(10 * 3_600_000)
      await store.forgetExpired(time.now, 10)
    }
    await settled(8)
    await expect.poll(ended).toMatchObject([{ detail: { outcome: 'failed', attempts: 8, status: 500 } }])
    pass(1_000 * 3_600_000)
    expect(got).toHaveLength(8)
  })

  test('to a receiver that says `Gone` is given up at once', async () => {
    const { url } = await receiver(statuses(410))
    const { service, endJob, settled, ended } = await openWebhooks()
    await service.rotateSecret('acme')
    await endJob(1, url)
    await settled(1)
    await expect.poll(ended).toMatchObject([{ detail: { outcome: 'failed', attempts: 1, status: 410 } }])
  })

  test.each([
    ['redirects', 302, { status: 302, reason: 'redirect' }],
    ['is not there', 0, { status: null, reason: 'connection' }],
  ])('to a receiver that %s is a failed attempt, and the log says so', async (_what, status, result) => {
    const { url } = await receiver((request, response) => {
      if (status === 0) request.socket.resetAndDestroy()
      else response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end()
    })
    const { service, endJob, settled, store } = await openWebhooks()
    await service.rotateSecret('acme')
    await endJob(1, url)
    await settled(1)
    expect((await store.listDeliveries({ limit: 1 }))[0]).toMatchObject({
      status: 'waiting',
      lastAttempt: result,
    })
  })

  test('is held against the rules again: what was allowed when the job was accepted may not be any more', async () => {
    const { url, got } = await receiver(statuses(200))
    const rules = { addresses: createTargetAddresses([]), allowHttp: true }
    const { service, endJob, settled, store } = await openWebhooks({ rules })
    await service.rotateSecret('acme')
    await endJob(1, url)
    await settled(1)
    const [delivery] = await store.listDeliveries({ limit: 1 })
    expect(delivery?.lastAttempt).toMatchObject({ status: null, reason: 'address_denied' })
    expect(got).toEqual([])
  })

  test('never leaves unsigned: without a secret it waits for one', async () => {
    const { url, got } = await receiver(statuses(200))
    const { service, endJob, settled, pass, store } = await openWebhooks()
    await endJob(1, url)
    await settled(1)
    expect((await store.listDeliveries({ limit: 1 }))[0]?.lastAttempt?.reason).toBe('secret_missing')
    expect(got).toEqual([])
    await service.rotateSecret('acme')
    pass(5_000)
    await settled(2)
    expect(got).toHaveLength(1)
  })

  test('is signed by both secrets while a rotation overlaps, and by the new one alone afterwards', async () => {
    const { url, got } = await receiver(statuses(200))
    const { service, endJob, settled, time } = await openWebhooks()
    const old = await service.rotateSecret('acme')
    const fresh = await service.rotateSecret('acme', { overlapMs: 60_000 })
    await endJob(1, url)
    await settled(1)
    time.now += 60_000
    await endJob(2, url)
    await settled(2)
    const [during, after] = got
    const knows = (secret: string, message: typeof during) => () =>
      new Webhook(secret).verify(message?.body ?? '', message?.headers ?? {})
    for (const secret of [old, fresh]) expect(knows(secret, during)).not.toThrow()
    expect(knows(fresh, after)).not.toThrow()
    expect(knows(old, after)).toThrow('No matching signature found')
  })
})
