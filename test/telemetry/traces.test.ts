import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import type { RunningServer, ServerOptions } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { formatRequest, RawConnection } from '../parity/raw-http.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { createHeldModel } from '../support/held-model.ts'
import { closeWebhooks, receiver, statuses } from '../support/open-webhooks.ts'
import { constantModel } from '../support/test-app.ts'
import { type CollectedSpans, collectSpans, treeOf } from './collect-spans.ts'

let collected: CollectedSpans
let data: string
let keys: { readonly demo: string; readonly admin: string }
let lines: string[]
const servers: RunningServer[] = []

beforeAll(() => {
  collected = collectSpans()
})
afterAll(() => collected.stop())

beforeEach(async () => {
  data = join(await mkdtemp(join(tmpdir(), 'modelward-traces-')), 'data')
  lines = []
  collected.clear()
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  await closeWebhooks()
  await rm(join(data, '..'), { recursive: true, force: true })
})

async function start(options: Partial<ServerOptions> = {}): Promise<string> {
  const server = await startServer({
    ...serverDefaults,
    data,
    servedModels: [constantModel],
    limitDefault: ['60/min'],
    tracing: createOtelTracing(),
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) keys = report.keys
    },
    logStream: { write: (line: string) => lines.push(line) },
    ...options,
  })
  servers.push(server)
  return server.address
}

const traceId = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${traceId}-b7ad6b7169203331-01`

function ask(address: string, path: string, headers: Readonly<Record<string, string>> = {}, body?: unknown) {
  return fetch(`${address}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': keys.demo, traceparent, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

const hello = { text: 'hello' }
const predictTree = [
  'POST /predict > modelward.guard',
  'POST /predict > modelward.ledger.commit',
  'POST /predict > modelward.model',
  'another > POST /predict',
  'modelward.guard > modelward.limits',
  'modelward.ledger.commit > modelward.ledger.batch',
]

describe('a prediction', () => {
  test.each([
    ['past the app', {}],
    ['through the app', { forwarded: 'for=unknown' }],
    ['kept under an idempotency key', { 'idempotency-key': 'a' }],
  ])('is a tree of five spans and its commit, in the client’s trace: %s', async (_way, headers) => {
    const address = await start()
    const answer = await ask(address, '/predict', headers, hello)
    expect(answer.status).toBe(200)
    const spans = await collected.ofTrace(traceId, 'POST /predict', 'modelward.ledger.commit')
    expect(treeOf(spans)).toEqual(predictTree)
    const server = spans.find(({ name }) => name === 'POST /predict')
    expect(server?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/predict',
      'http.response.status_code': 200,
      'url.scheme': 'http',
      'network.protocol.version': '1.1',
      'modelward.request_id': answer.headers.get('x-request-id'),
      'modelward.key_id': keys.demo.split('_')[2],
      'modelward.owner': expect.any(String),
      'modelward.model': 'constant',
      'modelward.measures.requests': 1,
    })
    expect(server?.status.code).toBe(0)
    const commit = spans.find(({ name }) => name === 'modelward.ledger.commit')
    const batch = spans.find(({ name }) => name === 'modelward.ledger.batch')
    expect(commit?.links.map(({ context }) => context.spanId)).toEqual([batch?.spanContext().spanId])
  })
})

describe('what a request’s span says', () => {
  test('of a refusal its code, whose key it was, and no error', async () => {
    const address = await start()
    expect((await ask(address, '/v1/keys', {})).status).toBe(403)
    const spans = await collected.ofTrace(traceId, 'GET /v1/keys', 'modelward.ledger.commit')
    const server = spans.find(({ name }) => name === 'GET /v1/keys')
    expect(server).toMatchObject({
      status: { code: 0 },
      attributes: { 'modelward.code': 'scope_missing', 'modelward.key_id': keys.demo.split('_')[2] },
    })
    expect(server?.attributes).not.toHaveProperty('error.type')
    expect(spans.find(({ name }) => name === 'modelward.guard')?.attributes).toMatchObject({
      'modelward.code': 'scope_missing',
    })
  })

  test('of a fault that it is an error, and its code, and never why', async () => {
    const failing = { ...constantModel, predict: () => Promise.reject(new Error('secret text')) }
    const address = await start({ servedModels: [failing] })
    expect((await ask(address, '/predict', {}, hello)).status).toBe(502)
    const spans = await collected.ofTrace(traceId, 'POST /predict', 'modelward.model')
    const found = Object.fromEntries(spans.map((span) => [span.name, span]))
    expect(found['POST /predict']).toMatchObject({
      status: { code: 2 },
      attributes: { 'error.type': 'model_failed', 'http.response.status_code': 502 },
    })
    expect(found['modelward.model']).toMatchObject({
      status: { code: 2 },
      attributes: { 'modelward.code': 'model_failed', 'modelward.model': 'constant' },
    })
    expect(textOf(spans)).not.toContain('secret text')
  })

  test('no owner where `--trace-owners false` says so', async () => {
    const address = await start({ tracing: createOtelTracing(false) })
    await ask(address, '/predict', { prefer: 'respond-async' }, hello)
    await collected.named('modelward.job')
    expect(collected.spans.flatMap(({ attributes }) => Object.keys(attributes))).not.toContain(
      'modelward.owner',
    )
  })

  test('the route’s pattern for its name, and the method alone where no route is known', async () => {
    const address = await start()
    await ask(address, '/v1/keys/7Qm2xT0bKc9Z?name=hello')
    await ask(address, '/unknown/hello')
    await ask(address, '/health')
    await Promise.all(['GET /v1/keys/:id', 'GET', 'GET /health'].map((name) => collected.named(name)))
    expect(textOf(collected.spans)).not.toMatch(/hello|7Qm2xT0bKc9Z/)
  })
})

describe('a job', () => {
  const later = { prefer: 'respond-async' }

  test('goes on in the trace of the request that submitted it, linked to it, after a restart too', async () => {
    const first = await start({ jobWorkers: 0 })
    await ask(first, '/predict', later, hello)
    const submitted = await collected.named('POST /predict')
    await Promise.all(servers.splice(0).map((server) => server.close()))
    await start()
    const job = await collected.named('modelward.job')
    expect(job.spanContext().traceId).toBe(traceId)
    expect(job.parentSpanContext?.spanId).toBe(submitted.spanContext().spanId)
    expect(job.links.map(({ context }) => context.spanId)).toEqual([submitted.spanContext().spanId])
    expect(job.attributes).toMatchObject({
      'modelward.key_id': keys.demo.split('_')[2],
      'modelward.model': 'constant',
      'modelward.job.attempt': 1,
    })
    const spans = await collected.ofTrace(traceId, 'modelward.job', 'modelward.model')
    expect(treeOf(spans)).toContain('modelward.job > modelward.model')
    expect(treeOf(spans)).toContain('modelward.job > modelward.ledger.commit')
  })

  test('has its request’s id in its records, and no trace there', async () => {
    const address = await start()
    const answer = await ask(address, '/predict', later, hello)
    await collected.named('modelward.job')
    const admin = { 'x-api-key': keys.admin }
    const page = await (await ask(address, '/v1/ledger?event=job.accepted', admin)).text()
    expect(page).toContain(`"request_id":"${answer.headers.get('x-request-id')}"`)
    expect(page).not.toContain(traceId)
  })

  test('sends its trace along with its webhook', async () => {
    const to = await receiver(statuses(200))
    const address = await start({ webhooksAllow: ['127.0.0.1'], webhooksAllowHttp: true })
    await askForWebhook(address, to.url)
    const sent = await collected.named('modelward.webhook')
    expect(sent).toMatchObject({
      kind: 2,
      attributes: { 'http.response.status_code': 200, 'modelward.webhook.attempt': 1 },
    })
    expect(sent.spanContext().traceId).toBe(traceId)
    expect(to.got[0]?.headers).toMatchObject({
      traceparent: `00-${traceId}-${sent.spanContext().spanId}-01`,
      tracestate: 'vendor=1',
    })
    expect(textOf(collected.spans)).not.toContain(to.url)
  })
})

test('requests sent without waiting end their spans with their connection, their turn come or not', async () => {
  const { model, call } = createHeldModel()
  const address = await start({ servedModels: [model] })
  const headers = [
    ['Content-Type', 'application/json'],
    ['X-API-Key', keys.demo],
    ['traceparent', traceparent],
  ] as const
  const connection = new RawConnection(Number(new URL(address).port))
  for (const text of ['a', 'b'])
    await connection.write(formatRequest({ headers, body: JSON.stringify({ text }) }))
  const held = [await call(0), await call(1)]
  connection.close()
  await collected.ofTrace(traceId, 'POST /predict', 'POST /predict')
  for (const { answer } of held) answer()
  await collected.ofTrace(
    traceId,
    ...['model', 'ledger.commit'].flatMap((of) => Array(2).fill(`modelward.${of}`)),
  )
})

describe('log lines', () => {
  test('name the trace of their request, answered or failed', async () => {
    const failing = { ...constantModel, predict: () => Promise.reject(new Error('x')) }
    const address = await start({ servedModels: [failing] })
    for (const headers of [{}, { forwarded: 'for=unknown' }]) await ask(address, '/predict', headers, hello)
    await collected.named('POST /predict', 1)
    const ids = collected.spans
      .filter(({ name }) => name === 'POST /predict')
      .map((span) => span.spanContext().spanId)
    const told = lines.map((line) => JSON.parse(line)).filter(({ request_id }) => request_id !== undefined)
    expect(told.map(({ trace_id, span_id }) => [trace_id, span_id]).toSorted()).toEqual(
      [...ids, ...ids].map((id) => [traceId, id]).toSorted(),
    )
  })

  test.each([
    ['is exported', undefined],
    [
      'takes spans',
      { tellsOwners: true, begin: () => undefined, active: () => undefined, isOn: () => false },
    ],
  ])('name the client’s trace where nothing %s, and its webhook does', async (_what, tracing) => {
    const arrived = Promise.withResolvers<void>()
    const to = await receiver((_request, response) => {
      response.end()
      arrived.resolve()
    })
    const allowed = { webhooksAllow: ['127.0.0.1'], webhooksAllowHttp: true }
    const address = await start({ tracing, ...allowed })
    await askForWebhook(address, to.url)
    await arrived.promise
    expect(to.got[0]?.headers).toMatchObject({ traceparent, tracestate: 'vendor=1' })
    await ask(address, '/predict', {}, hello)
    await ask(address, '/predict', { traceparent: `${traceparent}0` }, hello)
    const told = lines.map((line) => JSON.parse(line)).filter(({ status }) => status === 200)
    expect(told.map(({ trace_id }) => trace_id)).toEqual([traceId, undefined])
    expect(collected.spans).toEqual([])
  })
})

/** Submits a job that reports to this URL, by a key with a secret to sign it. */
async function askForWebhook(address: string, webhook: string): Promise<void> {
  const made = { name: 'hooked', scopes: ['predict', 'webhooks'] }
  const created = await ask(address, '/v1/keys', { 'x-api-key': keys.admin }, made)
  const { key } = (await created.json()) as { key: string }
  expect((await ask(address, '/webhooks/secret', { 'x-api-key': key }, {})).status).toBe(201)
  const headers = { prefer: 'respond-async', 'x-api-key': key, tracestate: 'vendor=1' }
  expect((await ask(address, '/predict', headers, { ...hello, webhook })).status).toBe(202)
}

function textOf(spans: readonly ReadableSpan[]): string {
  return JSON.stringify(
    spans.map((span) => [
      span.name,
      span.attributes,
      span.status,
      span.events,
      span.links,
      span.spanContext().traceState?.serialize(),
    ]),
  )
}
