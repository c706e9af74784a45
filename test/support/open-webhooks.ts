import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createChangeRecorder } from '../../src/ledger/write/change-recorder.ts'
import { createEntryWriter } from '../../src/ledger/write/entry-writer.ts'
import { parsePeppers } from '../../src/secrets/peppers.ts'
import { createInProcessJobStore } from '../../src/storage/sqlite/jobs/in-process-job-store.ts'
import type { WebhookOutbox } from '../../src/webhooks/outbox.ts'
import { createWebhookSecretSeal } from '../../src/webhooks/secret.ts'
import { createTargetAddresses } from '../../src/webhooks/target-address.ts'
import { createWebhookService } from '../../src/webhooks/webhook-service.ts'
import { startWebhookWorker, type WebhookWorkerOptions } from '../../src/webhooks/webhook-worker.ts'
import { createFakeLedger } from '../adapters/fake-ledger.ts'
import { answered, wide } from '../contract/job-fixtures.ts'
import { collectEvents } from './collect-events.ts'
import { testPepper } from './open-test-ward.ts'

const closing: (() => Promise<unknown>)[] = []

/** To be called after each test. */
export async function closeWebhooks(): Promise<void> {
  for (const close of closing.splice(0)) await close()
}

export type Answer = (request: IncomingMessage & { readonly text: string }, response: ServerResponse) => void

/** A receiver on 127.0.0.1, and what came to it. */
export async function receiver(answer: Answer) {
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
export function statuses(...list: readonly number[]): Answer {
  const left = [...list]
  return (_request, response) => {
    const status = left.length > 1 ? left.shift() : left[0]
    response.writeHead(status ?? 200).end()
  }
}

/** A worker over jobs in memory, a clock that is moved by hand, and timers that run when it is. */
export async function openWebhooks(
  overrides: Partial<WebhookWorkerOptions> = {},
  outboxOf = (store: WebhookOutbox) => store,
) {
  const store = createInProcessJobStore()
  // Of today, for the library that receivers use looks at the real clock.
  const time = { now: Date.now() }
  const clock = (): number => time.now
  const ledger = createFakeLedger()
  const { telemetry, events } = collectEvents()
  const writer = createEntryWriter({ ledger, telemetry })
  const seal = createWebhookSecretSeal(parsePeppers(testPepper, 'the test'))
  const rules = { addresses: createTargetAddresses(['127.0.0.1']), allowHttp: true }
  const changes = createChangeRecorder({ writer, clock, by: null, latestChange: async () => 1 })
  const onDue = (): void => worker.wake()
  const service = createWebhookService({ outbox: store, seal, rules, clock, changes, writer, onDue })
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
    telemetry,
    ...overrides,
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
    events,
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
        requestId: `request of ${id}`,
        model: 'm',
        kind: 'single',
        inputs: '["private"]',
        total: 1,
      } as const
      await store.submit({
        jobs: [{ ...job, priority: 0, attemptsMax: 1, webhook, createdAt: time.now }],
        bounds: wide,
      })
      const claim = { max: 1, now: time.now, until: time.now + 60_000, models: ['m'], keepMs: 3_600_000 }
      const [claimed] = (await store.claim(claim)).claimed
      const expiresAt = time.now + 3_600_000
      const end = {
        id,
        lease: claimed?.lease ?? '',
        end: 'succeeded',
        answers: answered('"secret result"'),
        expiresAt,
      } as const
      await store.settle([end], time.now, wide)
      return id
    },
  }
}
