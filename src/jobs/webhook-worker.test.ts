import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createFakeLedger } from '../../test/adapters/fake-ledger.ts'
import { testPepper } from '../../test/support/open-test-ward.ts'
import type { WebhookOutbox } from '../core/webhook.ts'
import { createChangeRecorder } from '../gate/change-recorder.ts'
import { parsePeppers } from '../gate/pepper.ts'
import { createEntryWriter } from '../gate/write-entry.ts'
import { createMemoryJobStore } from '../stores/memory/job-store.ts'
import { createTargetAddresses } from './webhook-address.ts'
import { createWebhookSecretSeal } from './webhook-secret.ts'
import { createWebhookService } from './webhook-service.ts'
import { startWebhookWorker, type WebhookWorkerOptions } from './webhook-worker.ts'

const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

type Answer = (request: IncomingMessage & { readonly text: string }, response: ServerResponse) => void

/** A receiver on 127.0.0.1, and what came to it. */
async function receiver(answer: Answer) {
  const got: { headers: Record<string, string>; body: string }[] = []
  const server = http.createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString()
    got.push({ headers: request.headers as Record<string, string>, body: text })
    answer(Object.assign(request, { text }), response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`, got }
}

/** Answers these one after the other, the last for ever. */
function statuses(...list: readonly number[]): Answer {
  const left = [...list]
  return (_request, response) => {
    const status = left.length > 1 ? left.shift() : left[0]
    response.writeHead(status ?? 200).end()
  }
}

/** A worker over jobs in memory, a clock that is moved by hand, and timers that run when it is. */
async function open(given: Partial<WebhookWorkerOptions> = {}, outboxOf = (store: WebhookOutbox) => store) {
  const store = createMemoryJobStore()
  // Of today, for the library that receivers use looks at the real clock.
  const time = { now: Date.now() }
  const clock = (): number => time.now
  const ledger = createFakeLedger()
  const faults: unknown[] = []
  const onFault = (message: string, fault: unknown): unknown => faults.push([message, fault])
  const writer = createEntryWriter({ ledger, onFault })
  const seal = createWebhookSecretSeal(parsePeppers(testPepper, 'the test'))
  const rules = { addresses: createTargetAddresses(['127.0.0.1']), allowHttp: true }
  const changes = createChangeRecorder({ writer, clock, by: null })
  const service = createWebhookService({ outbox: store, seal, rules, clock, changes })
  const timers = new Set<{ readonly at: number; readonly run: () => void }>()
  let ended = 0
  let waiting: { readonly count: number; readonly resolve: () => void }[] = []
  const watched: WebhookOutbox = {
    ...store,
    async settleDelivery(attempt) {
      await store.settleDelivery(attempt)
      ended += 1
      for (const { count, resolve } of waiting) if (ended >= count) resolve()
      waiting = waiting.filter(({ count }) => ended < count)
    },
  }
  const worker = startWebhookWorker({
    outbox: outboxOf(watched),
    queue: store,
    seal,
    rules,
    writer,
    clock,
    random: () => 0,
    schedule(ms, run) {
      const timer = { at: time.now + ms, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    resolve: async () => [],
    deadlineMs: 10_000,
    onFault,
    ...given,
  })
  closing.push(() => {
    const closed = worker.close(0)
    runTimers()
    return closed
  })

  function runTimers(): void {
    for (const timer of [...timers].filter(({ at }) => at <= time.now)) {
      timers.delete(timer)
      timer.run()
    }
  }
  return {
    store,
    time,
    ledger,
    faults,
    service,
    worker,
    runTimers,
    ended: () => ledger.entries.filter(({ event }) => event === 'webhook.ended'),
    /** Resolves once that many attempts have been settled in all. */
    settled: (count: number) =>
      new Promise<void>((resolve) => {
        if (ended >= count) resolve()
        else waiting.push({ count, resolve })
      }),
    /** Lets time go by, and has the worker look. */
    pass(ms: number) {
      time.now += ms
      worker.wake()
    },
    /** A job of the owner's ends, and its message is in the outbox. */
    async endJob(n: number, webhook: string, owner = 'acme') {
      const id = `job_${String(n).padStart(22, '0')}`
      const job = {
        id,
        owner,
        keyId: 'k',
        requestId: null,
        model: 'm',
        kind: 'single',
        inputs: '["private"]',
        total: 1,
      } as const
      await store.submit({
        jobs: [{ ...job, priority: 0, attemptsMax: 1, webhook, createdAt: time.now }],
        bounds: { jobsMax: 1_000, ownerJobsMax: 1_000 },
      })
      const claim = { max: 1, now: time.now, until: time.now + 60_000, models: ['m'], keepMs: 3_600_000 }
      const [claimed] = (await store.claim(claim)).claimed
      const expiresAt = time.now + 3_600_000
      const end = {
        id,
        lease: claimed?.lease ?? '',
        end: 'succeeded',
        result: '"secret result"',
        expiresAt,
      } as const
      await store.settle([end], time.now)
      return id
    },
  }
}

describe('a delivery', () => {
  test('is made as soon as the job has ended, signed, and told of in the ledger', async () => {
    const { url, got } = await receiver(statuses(200))
    const { service, endJob, settled, ended, store } = await open()
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
    await vi.waitFor(() =>
      expect(ended()).toMatchObject([
        {
          owner: 'acme',
          keyId: 'k',
          detail: { job: id, outcome: 'delivered', attempts: 1, status: 200, reason: null },
        },
      ]),
    )
  })

  test('that fails is made again after the waits, with the same message, until it succeeds', async () => {
    const { url, got } = await receiver(statuses(500, 503, 200))
    const { service, endJob, settled, pass, ended, store } = await open()
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
    const { service, endJob, settled, pass, ended, store, time } = await open()
    await service.rotateSecret('acme')
    await endJob(1, url)
    for (let tries = 1; tries < 8; tries += 1) {
      await settled(tries)
      pass(10 * 3_600_000)
      await store.forgetExpired(time.now, 10)
    }
    await settled(8)
    await vi.waitFor(() =>
      expect(ended()).toMatchObject([{ detail: { outcome: 'failed', attempts: 8, status: 500 } }]),
    )
    pass(1_000 * 3_600_000)
    expect(got).toHaveLength(8)
  })

  test('to a receiver that says `Gone` is given up at once', async () => {
    const { url } = await receiver(statuses(410))
    const { service, endJob, settled, ended } = await open()
    await service.rotateSecret('acme')
    await endJob(1, url)
    await settled(1)
    await vi.waitFor(() =>
      expect(ended()).toMatchObject([{ detail: { outcome: 'failed', attempts: 1, status: 410 } }]),
    )
  })

  test.each([
    ['redirects', 302, { status: 302, reason: 'redirect' }],
    ['is not there', 0, { status: null, reason: 'connection' }],
  ])('to a receiver that %s is a failed attempt, and the log says so', async (_what, status, result) => {
    const { url } = await receiver((request, response) => {
      if (status === 0) request.socket.resetAndDestroy()
      else response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end()
    })
    const { service, endJob, settled, store } = await open()
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
    const { service, endJob, settled, store } = await open({ rules })
    await service.rotateSecret('acme')
    await endJob(1, url)
    await settled(1)
    const [delivery] = await store.listDeliveries({ limit: 1 })
    expect(delivery?.lastAttempt).toMatchObject({ status: null, reason: 'address_denied' })
    expect(got).toEqual([])
  })

  test('never leaves unsigned: without a secret it waits for one', async () => {
    const { url, got } = await receiver(statuses(200))
    const { service, endJob, settled, pass, store } = await open()
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
    const { service, endJob, settled, time } = await open()
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

describe('a receiver that never answers', () => {
  test('holds up neither another owner’s messages nor those of its own beyond its share', async () => {
    const held: ServerResponse[] = []
    const dead = await receiver((_request, response) => held.push(response))
    const alive = await receiver(statuses(200))
    const { service, endJob, settled } = await open({ concurrency: 4, ownerConcurrency: 2 })
    for (const owner of ['slow', 'other']) await service.rotateSecret(owner)
    for (let n = 1; n <= 10; n += 1) await endJob(n, dead.url, 'slow')
    await vi.waitFor(() => expect(held).toHaveLength(2))
    for (let n = 11; n <= 20; n += 1) await endJob(n, alive.url, 'other')
    await settled(10)
    expect(alive.got).toHaveLength(10)
    expect(held).toHaveLength(2)
    // A place that becomes free is taken by the next.
    held[0]?.writeHead(200).end()
    await vi.waitFor(() => expect(held).toHaveLength(3))
  })
})

describe('a worker', () => {
  test('looks again by itself, for what becomes due by the clock', async () => {
    const { url, got } = await receiver(statuses(500, 200))
    const { service, endJob, settled, time, runTimers } = await open()
    await service.rotateSecret('acme')
    await endJob(1, url)
    await settled(1)
    await vi.waitFor(() => {
      time.now += 1_000
      runTimers()
      expect(got).toHaveLength(2)
    })
    await settled(2)
  })

  test('that is closed breaks off what does not end in time, and leaves it due at once for the next', async () => {
    const started = Promise.withResolvers<void>()
    const { url } = await receiver(() => started.resolve())
    const { service, endJob, worker, time, runTimers, store, ended } = await open()
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
    // Nothing is claimed any more, whoever wakes it.
    await endJob(2, url)
    worker.wake()
    const ask = { max: 9, ownerMax: 9, now: time.now, until: time.now + 60_000 }
    expect(await store.claimDeliveries(ask)).toHaveLength(2)
  })

  test('that is closed lets what is under way end', async () => {
    const held = Promise.withResolvers<ServerResponse>()
    const { url } = await receiver((_request, response) => held.resolve(response))
    const { service, endJob, worker, store } = await open()
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
    const { service, endJob, settled, faults, pass } = await open({}, (store) => ({
      ...store,
      async settleDelivery(attempt) {
        if (isOut) throw new Error('out')
        await store.settleDelivery(attempt)
      },
    }))
    await service.rotateSecret('acme')
    await endJob(1, url)
    await vi.waitFor(() => expect(faults).toHaveLength(1))
    isOut = false
    pass(60_000)
    await settled(1)
    expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(got).toHaveLength(2)
  })

  test('says nothing of secrets, URLs or answers, in no fault and in no record', async () => {
    const { url } = await receiver((_request, response) => response.writeHead(500).end('their words'))
    const { service, endJob, settled, ledger, faults, store, pass } = await open()
    const text = await service.rotateSecret('acme')
    await endJob(1, `${url}?token=abc`)
    await settled(1)
    // Somebody changed it in the store.
    const sealed = Buffer.alloc(64, 1)
    await store.addWebhookSecret({ owner: 'acme', sealed, createdAt: 1, signsUntil: null }, 0)
    pass(5_000)
    await settled(2)
    expect(faults).toHaveLength(1)
    const said = `${JSON.stringify(ledger.entries)}${String(faults)}`
    expect(said).toContain('a webhook secret could not be opened')
    for (const hidden of [text.slice(6), 'token=abc', '/in', 'their words', 'private'])
      expect(said).not.toContain(hidden)
  })
})
