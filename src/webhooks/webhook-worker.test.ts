import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { closeWebhooks, openWebhooks, receiver, statuses } from '../../test/support/open-webhooks.ts'

afterEach(closeWebhooks)

describe('a receiver that never answers', () => {
  test('holds up neither another owner’s messages nor those of its own beyond its share', async () => {
    const held: ServerResponse[] = []
    const dead = await receiver((_request, response) => held.push(response))
    const alive = await receiver(statuses(200))
    const { service, endJob, settled } = await openWebhooks({ concurrency: 4, ownerConcurrency: 2 })
    for (const owner of ['slow', 'other']) await service.rotateSecret(owner)
    for (let n = 1; n <= 10; n += 1) await endJob(n, dead.url, 'slow')
    await expect.poll(() => held.length).toBe(2)
    for (let n = 11; n <= 20; n += 1) await endJob(n, alive.url, 'other')
    await settled(10)
    expect(alive.got).toHaveLength(10)
    expect(held).toHaveLength(2)
    // A place that becomes free is taken by the next.
    held[0]?.writeHead(200).end()
    await expect.poll(() => held.length).toBe(3)
  })
})

describe('a worker', () => {
  test('looks again by itself, for what becomes due by the clock', async () => {
    const { url, got } = await receiver(statuses(500, 200))
    const { service, endJob, settled, time, runTimers } = await openWebhooks()
    await service.rotateSecret('acme')
    await endJob(1, url)
    await settled(1)
    await expect
      .poll(() => {
        time.now += 1_000
        runTimers()
        return got.length
      })
      .toBe(2)
    await settled(2)
  })

  test('that is closed breaks off what does not end in time, and leaves it due at once for the next', async () => {
    const started = Promise.withResolvers<void>()
    const { url } = await receiver(() => started.resolve())
    const { service, endJob, worker, time, runTimers, store, ended } = await openWebhooks()
    await service.rotateSecret('acme')
    await endJob(1, url)
    await started.promise
    const closed = worker.close(5_000)
    time.now += 5_000
    runTimers()
    await closed
    const [delivery] = await store.listDeliveries({ limit: 1 })
    expect(delivery).toMatchObject({ status: 'waiting', dueAt: time.now, lastAttempt: { reason: 'stopped' } })
    expect(ended()).toEqual([])
    // Nothing is claimed any more, even when woken.
    await endJob(2, url)
    worker.wake()
    const ask = { max: 9, ownerMax: 9, now: time.now, until: time.now + 60_000 }
    expect(await store.claimDeliveries(ask)).toHaveLength(2)
  })

  test('that is closed lets what is under way end', async () => {
    const held = Promise.withResolvers<ServerResponse>()
    const { url } = await receiver((_request, response) => held.resolve(response))
    const { service, endJob, worker, store } = await openWebhooks()
    await service.rotateSecret('acme')
    await endJob(1, url)
    const response = await held.promise
    const closed = worker.close(5_000)
    response.writeHead(200).end()
    await closed
    expect((await store.listDeliveries({ limit: 1 }))[0]).toMatchObject({ status: 'delivered' })
  })

  test('goes on after a store that was out, and what it could not settle is sent again under the same id', async () => {
    const { url, got } = await receiver(statuses(200))
    let isOut = true
    const { service, endJob, settled, events, pass } = await openWebhooks({}, (store) => ({
      ...store,
      async settleDelivery(attempt) {
        if (isOut) throw new Error('out')
        await store.settleDelivery(attempt)
      },
    }))
    await service.rotateSecret('acme')
    const job = await endJob(1, url)
    await expect.poll(() => events).toHaveLength(1)
    expect(events).toMatchObject([{ name: 'webhook.not_settled', requestId: `request of ${job}` }])
    isOut = false
    pass(60_000)
    await settled(1)
    expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(got).toHaveLength(2)
  })

  test('tells of a store that is out once, however often it looks', async () => {
    let looks = 0
    const { worker, events } = await openWebhooks({}, (store) => ({
      ...store,
      async claimDeliveries() {
        looks += 1
        throw new Error('out')
      },
    }))
    await expect
      .poll(() => {
        worker.wake()
        return looks
      })
      .toBeGreaterThan(3)
    expect(events).toHaveLength(1)
  })

  test('says nothing of secrets, URLs or answers, in no fault and in no record', async () => {
    const { url } = await receiver((_request, response) => response.writeHead(500).end('their words'))
    const { service, endJob, settled, ledger, events, store, pass } = await openWebhooks()
    const text = await service.rotateSecret('acme')
    const job = await endJob(1, `${url}?token=abc`)
    await settled(1)
    // Someone changed it in the store.
    const sealed = Buffer.alloc(64, 1)
    await store.addWebhookSecret({ owner: 'acme', sealed, createdAt: 1, signsUntil: null }, 0)
    pass(5_000)
    await settled(2)
    const unreadable = { name: 'webhook.secret_unreadable', requestId: `request of ${job}` }
    expect(events).toMatchObject([unreadable])
    const said = `${JSON.stringify(ledger.entries)}${inspect(events, { depth: 10 })}`
    for (const hidden of [text.slice(6), 'token=abc', '/in', 'their words', 'private'])
      expect(said).not.toContain(hidden)
  })
})
