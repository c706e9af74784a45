import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openTelemetry } from '../../src/opentelemetry/index.ts'
import type { RunningServer, ServerOptions } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
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
    models: [constantModel],
    limitDefault: ['60/min'] as never,
    tracing: openTelemetry().tracing,
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
