import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import type { RunningServer } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { scaled } from '../support/scaled.ts'
import { constantModel } from '../support/test-app.ts'
import { type CollectedSpans, collectSpans } from './collect-spans.ts'

/** `TEST_ROUNDS=27` makes it more than 100,000 lines of the log. */
const rounds = scaled(70)

/** Letters of a part of a secret: half of it, and a little more. */
const partLength = 24

let folder: string
let server: RunningServer
let collected: CollectedSpans
const lines: string[] = []
const keys = { admin: '', demo: '' }

beforeAll(async () => {
  collected = collectSpans()
  folder = mkdtempSync(join(tmpdir(), 'modelward-no-key-'))
  server = await startServer({
    ...serverDefaults,
    data: join(folder, 'data'),
    servedModels: [constantModel],
    limitDefault: ['1000000/min'],
    limitOperational: 'none',
    scheme: ['header', 'bearer'],
    tracing: createOtelTracing(),
    logStream: { write: (line) => lines.push(line) },
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) Object.assign(keys, report.keys)
    },
  })
})
afterAll(async () => {
  await server.close()
  await collected.stop()
  rmSync(folder, { recursive: true, force: true })
})

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Not `fetch`, which sends no cookie and corrects paths. The status, once the answer has come. */
function send({ method = 'POST', path = '/predict', headers = {}, body }: Sent): Promise<number> {
  const { hostname, port } = new URL(server.address)
  return new Promise((resolve, reject) => {
    const options = {
      hostname,
      port,
      method,
      path,
      headers: { 'content-type': 'application/json', ...headers },
    }
    const asked = request(options, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** Where a key may stand, meant or by mistake, in a request. */
function placesOf(key: string): readonly Sent[] {
  const valid = { 'x-api-key': keys.demo }
  const body = '{"text":"I love this"}'
  const hex = Buffer.from(key).toString('hex').padEnd(32, '0').slice(0, 32)
  return [
    { headers: { 'x-api-key': key }, body },
    { headers: { authorization: `Bearer ${key}` }, body },
    { headers: { authorization: `Basic ${key}` }, body },
    { headers: { authorization: key }, body },
    { headers: { cookie: `session=${key}; key=${key}` }, body },
    { headers: { ...valid, 'user-agent': key }, body },
    { headers: { ...valid, 'x-request-id': key }, body },
    { headers: { ...valid, 'x-forwarded-for': key, forwarded: `for=${key}` }, body },
    { headers: { ...valid, traceparent: `00-${hex}-${hex.slice(0, 16)}-01`, tracestate: `mw=${key}` }, body },
    { headers: { ...valid, traceparent: key, baggage: `key=${key}` }, body },
    { headers: { ...valid, referer: `https://example.com/?key=${key}`, origin: `https://${key}` }, body },
    { headers: { ...valid, 'idempotency-key': key, prefer: 'respond-async' }, body },
    { headers: { ...valid, 'content-type': key }, body },
    { headers: valid, body: `{"text":"${key}"}` },
    { headers: valid, body: `{"text":${key}` },
    { headers: valid, body: `{"${key}":1}` },
    { headers: valid, path: `/predict?key=${key}&api_key=${key}`, body },
    { method: 'GET', headers: valid, path: `/${key}` },
    { method: 'GET', path: `/v1/keys/${key}` },
    { method: 'GET', headers: { 'x-api-key': keys.admin }, path: `/v1/keys/${key}` },
    { method: 'GET', headers: { 'x-api-key': keys.admin }, path: `/v1/ledger?key=${key}` },
    { method: 'GET', headers: { 'x-api-key': keys.admin }, path: `/v1/keys?owner=${key}&cursor=${key}` },
    { method: 'GET', headers: valid, path: `/jobs/${key}` },
    { method: 'GET', headers: valid, path: `/models/${key}/predict` },
    { path: '/session', body: `{"key":"${key}"}` },
    { path: '/v1/keys/verify', headers: { 'x-api-key': keys.admin }, body: `{"key":"${key}"}` },
    { method: 'GET', headers: { 'x-api-key': key, accept: key }, path: '/metrics' },
  ]
}

/** Of a key what proves it: the secret, which no id and no prefix has. */
function secretOf(key: string): string {
  return key.split('_').at(-1) ?? key
}

/** Secrets are many: each place of a text is looked up among them. */
function holdsOne(text: string, parts: ReadonlySet<string>): boolean {
  for (let at = 0; at + partLength <= text.length; at += 1)
    if (parts.has(text.slice(at, at + partLength))) return true
  return false
}

test('no key is in a log line, a span or a metric, wherever clients put it', {
  timeout: scaled(120_000),
}, async () => {
  const format = keys.demo.split('_').slice(0, 2).join('_')
  const wrong = (round: number): string => {
    const letters = `${round}`.padStart(6, '0')
    return `${format}_${keys.demo.split('_')[2]}_${letters}${secretOf(keys.demo).slice(6)}`
  }
  let asked = 0
  const secrets = new Set([secretOf(keys.demo), secretOf(keys.admin)])
  for (let round = 0; round < rounds; round += 1) {
    const [valid, other] = round % 2 === 0 ? [keys.demo, wrong(round)] : [keys.admin, `${keys.demo}${round}`]
    secrets.add(secretOf(other))
    const sent = [...placesOf(valid), ...placesOf(other)]
    await Promise.all(sent.map(send))
    asked += sent.length
  }
  expect(asked).toBe(rounds * 54)
  const metrics = await fetch(`${server.address}/metrics`, { headers: { 'x-api-key': keys.admin } })
  expect(metrics.status).toBe(200)
  const page = await metrics.text()
  const spans = collected.spans.map((span) => {
    const { name, attributes, events, status, links } = span
    return JSON.stringify([
      name,
      attributes,
      events,
      status,
      links,
      span.spanContext().traceState?.serialize(),
    ])
  })
  // There is something to look through.
  expect(lines.length).toBeGreaterThan(asked)
  expect(spans.length).toBeGreaterThan(asked)
  expect(page).toContain('modelward_requests_total')
  // A part of a secret is no better: of each the first half, and the second.
  const parts = new Set(
    [...secrets].flatMap((secret) => [secret.slice(0, partLength), secret.slice(-partLength)]),
  )
  const found = [...lines, ...spans, page].filter((text) => holdsOne(text, parts))
  expect(found).toEqual([])
})
