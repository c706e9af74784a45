import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { wide } from '../../test/contract/job-fixtures.ts'
import { serverDefaults } from '../../test/parity/start-server-target.ts'
import { createHeldModel } from '../../test/support/held-model.ts'
import { closeWebhooks, receiver, statuses } from '../../test/support/open-webhooks.ts'
import { constantModel } from '../../test/support/test-app.ts'
import { processScheduler, type Scheduler } from '../core/scheduler.ts'
import { createAnswerSeal } from '../idempotency/answer-seal.ts'
import { parsePeppers } from '../secrets/peppers.ts'
import { openSqliteJobStore } from '../storage/sqlite/jobs/job-store.ts'
import { openWard } from '../ward/open-ward.ts'
import type { RunningServer, ServerOptions } from './server-options.ts'
import { startServer } from './start-server.ts'

let data: string
const servers: RunningServer[] = []

beforeEach(async () => {
  data = join(await mkdtemp(join(tmpdir(), 'modelward-jobs-')), 'data')
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  await closeWebhooks()
  await rm(join(data, '..'), { recursive: true, force: true })
})

const threadedModel = fileURLToPath(new URL('../../test/support/threaded-model.mjs', import.meta.url))

interface Started {
  readonly server: RunningServer
  readonly key: string
  readonly lines: readonly string[]
  readonly ask: (method: string, path: string, body?: unknown, headers?: object) => Promise<Answered>
}

interface Answered {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: what JSON says is checked by each test.
  readonly json: any
}

let key: string
let admin: string

/** A server on the test's folder; its first start makes the key. */
async function start(options: Partial<ServerOptions> = {}): Promise<Started> {
  const lines: string[] = []
  const server = await startServer({
    ...serverDefaults,
    data,
    servedModels: [constantModel],
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) ({ demo: key, admin } = report.keys)
    },
    logStream: { write: (line: string) => lines.push(line) },
    ...options,
  })
  servers.push(server)
  const ask: Started['ask'] = async (method, path, body, headers = {}) => {
    const answer = await fetch(`${server.address}${path}`, {
      method,
      headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      json: text === '' ? undefined : JSON.parse(text),
    }
  }
  return { server, key, lines, ask }
}

const later = { prefer: 'respond-async' }
const once = { 'idempotency-key': 'a' }

describe('what was accepted outlives the server', () => {
  test('a job that had no worker is done by the next start; its repeated request is answered the same', async () => {
    const first = await start({ jobWorkers: 0 })
    const submit = ({ ask }: Started) => ask('POST', '/predict', { text: 'a' }, { ...later, ...once })
    const { json: job } = await submit(first)
    const atOnce = await first.ask('POST', '/predict', { text: 'a' }, { 'idempotency-key': 'b' })
    await first.server.close()
    const second = await start()
    const again = await submit(second)
    expect([again.status, again.json]).toEqual([202, job])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    const { json: ended } = await second.ask('GET', `/jobs/${job.id}?wait=30`)
    expect(ended).toMatchObject({ status: 'succeeded', result: atOnce.json })
    expect((await second.ask('POST', '/predict', { text: 'b' }, { 'idempotency-key': 'b' })).json.code).toBe(
      'idempotency_mismatch',
    )
  })

  test('a request that the server before was killed in can be repeated at once under its key', async () => {
    const first = await start()
    const { owner } = (await first.ask('GET', '/v1/keys/self')).json
    await first.server.close()
    const pepper = await readFile(join(data, 'pepper'), 'utf8')
    const seal = createAnswerSeal(
      parsePeppers(pepper.trim(), 'the folder'),
      Date.now,
      'idempotent predictions v1',
    )
    const store = await openSqliteJobStore({ file: join(data, 'jobs.db') })
    const until = Date.now() + 3_600_000
    for (const holder of ['server:before', 'app'])
      await store.reserve(
        { id: seal.idOf({ owner, key: holder, request: null }), owner, requestDigest: 'x', holder, until },
        Date.now(),
        wide,
      )
    await store.close()
    const { ask } = await start()
    const repeat = (idempotencyKey: string) =>
      ask('POST', '/predict', { text: 'a' }, { 'idempotency-key': idempotencyKey })
    expect((await repeat('server:before')).status).toBe(200)
    expect((await repeat('app')).json.code).toBe('idempotency_mismatch')
  })

  test('on closing, a job that ends within the grace ends; one that does not is handed back, uncounted', async () => {
    const held = createHeldModel()
    const grace = heldTimer(54_321)
    const first = await start({
      servedModels: [held.model],
      shutdownGrace: grace.ms,
      scheduler: grace.scheduler,
      jobWorkers: 1,
    })
    const { json: job } = await first.ask('POST', '/predict', { text: 'abc' }, later)
    await held.call(0)
    const stream = await fetch(`${first.server.address}/jobs/${job.id}/events`, {
      headers: { 'x-api-key': key },
    })
    const closed = first.server.close()
    expect(await stream.text()).not.toContain('succeeded')
    const endGrace = await grace.begun
    endGrace()
    await closed
    const second = await start({ servedModels: [held.model] })
    const call = await held.call(1)
    expect((await second.ask('GET', `/jobs/${job.id}`)).json).toMatchObject({
      status: 'running',
      attempts: 1,
    })
    const closing = second.server.close()
    call.answer()
    await closing
    const third = await start({ servedModels: [held.model], jobWorkers: 0 })
    expect((await third.ask('GET', `/jobs/${job.id}`)).json).toMatchObject({
      status: 'succeeded',
      result: { output: 3 },
    })
  })

  test('each job is recorded from its acceptance to its end, beside the request that made it', async () => {
    const { ask, server } = await start()
    const { json: job } = await ask('POST', '/predict', { text: 'a' }, later)
    await ask('GET', `/jobs/${job.id}?wait=30`)
    await server.close()
    const { ward } = await openWard({
      data,
      create: false,
      schemes: [],
      format: { prefix: 'mw', environment: 'live' },
    })
    const { records = [] } = (await ward.ledger?.query({ limit: 100, order: 'oldest' })) ?? {}
    await ward.close()
    const ofJob = records.filter(({ detail }) => detail?.['job'] === job.id)
    expect(ofJob.map(({ event }) => event)).toEqual(['job.accepted', 'job.started', 'job.finished'])
    expect(new Set(ofJob.map(({ requestId }) => requestId)).size).toBe(1)
    const made = records.find(({ event, route }) => event === 'request.admitted' && route === '/predict')
    expect(made).toMatchObject({ status: 202, requestId: ofJob[0]?.requestId })
  })
})

describe('a model in a thread', () => {
  test('is told when its client goes away, which is no fault', async () => {
    const { server, ask, key: own, lines } = await start({ servedModels: [threadedModel] })
    const controller = new AbortController()
    const begun = heard('begun 50000')
    const going = fetch(`${server.address}/predict`, {
      method: 'POST',
      headers: { 'x-api-key': own, 'content-type': 'application/json' },
      body: '{"text":"50000"}',
      signal: controller.signal,
    })
    await begun
    const calledOff = heard('called off 50000')
    controller.abort()
    await expect(going).rejects.toThrow()
    await calledOff
    // The one thread is free.
    expect((await ask('POST', '/predict', { text: '0' })).json).toMatchObject({ output: 0 })
    expect(lines.filter((line) => JSON.parse(line).level >= 50)).toEqual([])
  })

  test('that computes for ever neither holds up the server nor keeps it from closing', async () => {
    const { server, ask } = await start({ servedModels: [threadedModel, constantModel], shutdownGrace: 20 })
    const begun = heard('begun spin')
    const { json: job } = await ask('POST', '/predict', { text: 'spin' }, later)
    await begun
    expect((await ask('GET', '/health')).status).toBe(200)
    expect((await ask('POST', '/models/constant/predict', { text: 'a' })).status).toBe(200)
    expect((await ask('GET', `/jobs/${job.id}`)).json.result).toBeNull()
    await server.close()
  })

  test.each([
    ['is not there', undefined],
    ['does not parse', 'export const model = {'],
    ['exports nothing', ''],
    ['exports what is no model', 'export default { name: "Wrong Name", runs: "sideways" }'],
    ['throws', 'throw new Error("weights are missing")'],
  ])('a model file that %s stops the start before the folder is made', async (_what, text) => {
    const file = join(data, '..', 'model.mjs')
    if (text !== undefined) await writeFile(file, text)
    const failed = start({ servedModels: [file] })
    await expect(failed).rejects.toMatchObject({ name: 'SetupError', code: 'model_unreadable' })
    await expect(failed).rejects.toThrow('model.mjs')
    await expect(
      openWard({ data, create: false, schemes: [], format: { prefix: 'mw', environment: 'live' } }),
    ).rejects.toMatchObject({ code: 'data_missing' })
  })
})

describe('webhooks', () => {
  test('tell of the end of a job, signed with the owner’s secret, without the result', async () => {
    const { url, got } = await receiver(statuses(200))
    const { ask } = await start({ webhooksAllow: ['127.0.0.1'], webhooksAllowHttp: true })
    const newKey = { name: 'all', owner: 'acme', scopes: ['predict', 'webhooks'] }
    key = (await ask('POST', '/v1/keys', newKey, { 'x-api-key': admin })).json.key
    const { json: secret } = await ask('POST', '/webhooks/secret')
    const { json: job } = await ask('POST', '/predict', { text: 'private', webhook: `${url}?token=x` }, later)
    await ask('GET', `/jobs/${job.id}?wait=30`)
    const delivered = await untilDelivered(() => ask('GET', `/webhooks/deliveries?job=${job.id}`))
    expect(delivered).toMatchObject({ job: job.id, attempts: 1, last_attempt: { status: 200 } })
    expect(JSON.stringify(delivered)).not.toContain('token=x')
    const [message] = got
    expect(message?.body).not.toContain('private')
    const signed = new Webhook(secret.secret).verify(message?.body ?? '', message?.headers ?? {})
    expect(signed).toMatchObject({ type: 'job.succeeded', data: { id: job.id, status: 'succeeded' } })
  })

  test('over plain HTTP, or to this machine, are refused unless allowed', async () => {
    const { ask } = await start()
    for (const webhook of ['http://127.0.0.1/', 'https://127.0.0.1/']) {
      const refused = await ask('POST', '/predict', { text: 'a', webhook }, later)
      expect(refused.json).toMatchObject({ code: 'input_invalid', errors: [{ loc: ['body', 'webhook'] }] })
    }
  })
})

/** A scheduler whose timer of exactly `ms` fires when the test says so. */
function heldTimer(ms: number): {
  readonly ms: number
  readonly scheduler: Scheduler
  readonly begun: Promise<() => void>
} {
  const begun = Promise.withResolvers<() => void>()
  const scheduler: Scheduler = {
    ...processScheduler,
    after(afterMs, run) {
      if (afterMs !== ms) return processScheduler.after(afterMs, run)
      begun.resolve(run)
      return () => {}
    },
  }
  return { ms, scheduler, begun: begun.promise }
}

/** Resolves when the threaded model says this. */
function heard(text: string): Promise<void> {
  const channel = new BroadcastChannel('threaded-model')
  return new Promise((resolve) => {
    channel.onmessage = ({ data: said }) => {
      if (said !== text) return
      channel.close()
      resolve()
    }
  })
}

/** The delivery, as soon as it has been settled: asks again until then. */
async function untilDelivered(list: () => Promise<Answered>): Promise<unknown> {
  for (;;) {
    const [delivery] = (await list()).json.deliveries
    if (delivery?.status !== 'waiting') return delivery
  }
}
