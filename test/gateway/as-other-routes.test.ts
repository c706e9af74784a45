import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createPrometheus } from '../../src/prometheus/prometheus.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { readMetrics } from '../support/read-metrics.ts'
import { openEndingCalls } from './ending-calls.ts'
import { openGateway } from './open-gateway.ts'
import { rawRequest } from './raw-request.ts'
import { hostile } from './simulators/hostile.ts'
import { startOllama } from './simulators/ollama.ts'
import { startOpenai } from './simulators/openai.ts'

const path = '/v1/chat/completions'
const chat = (more: object = {}) => ({
  model: 'llama3.2:3b',
  messages: [{ role: 'user', content: 'why' }],
  ...more,
})
const json = { 'content-type': 'application/json' }
const origin = 'https://app.example'

describe('routes of upstreams have what all routes have', () => {
  test('pages of allowed origins may call them with the clients of OpenAI and Anthropic, and read every answer', async () => {
    await using ollama = await startOllama()
    await using gateway = await openGateway({
      upstreams: [{ preset: 'ollama', url: ollama.url }],
      server: { corsOrigins: [origin] },
    })
    const asked = 'authorization,content-type,anthropic-version,x-stainless-lang,x-stainless-retry-count'
    const preflight = await rawRequest(gateway.url, {
      method: 'OPTIONS',
      path,
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': asked,
      },
    })
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, origin])
    const allowed = String(preflight.headers['access-control-allow-headers']).split(/, ?/)
    expect(asked.split(',').filter((name) => !allowed.includes(name))).toEqual([])
    const answers = [
      await gateway.post(path, chat(), { headers: { origin } }),
      await gateway.post(path, chat({ stream: true }), { headers: { origin } }),
      await gateway.post(path, chat({ model: 'none' }), { headers: { origin } }),
      await gateway.post(path, chat(), { headers: { origin }, key: '' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 401])
    for (const { headers } of answers) {
      expect(headers.get('access-control-allow-origin')).toBe(origin)
      expect(headers.get('access-control-expose-headers')).toContain('x-upstream-request-id')
    }
    const other = await gateway.post(path, chat(), { headers: { origin: 'https://evil.example' } })
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('the address is what a trusted proxy says, in limits of addresses and in records', async () => {
    await using ollama = await startOllama()
    await using gateway = await openGateway({
      upstreams: [{ preset: 'ollama', url: ollama.url }],
      server: { trustProxy: ['127.0.0.1'] },
    })
    const key = await gateway.createKey({ addresses: ['192.0.2.0/24'] })
    const from = async (address: string): Promise<number> =>
      (await gateway.post(path, chat(), { key, headers: { 'x-forwarded-for': address } })).status
    expect([await from('192.0.2.7'), await from('198.51.100.7')]).toEqual([200, 403])
    expect(gateway.records().map(({ address }) => address)).toEqual(['192.0.2.7', '198.51.100.7'])
  })

  test('a request is a line of the log, with the route’s pattern and no query', async () => {
    await using ollama = await startOllama()
    await using gateway = await openGateway({
      upstreams: [{ preset: 'ollama', url: ollama.url }],
      server: { logRequests: true, logLevel: 'info' },
    })
    await (await gateway.post(`${path}?hush=1`, chat({ stream: true }))).text()
    await gateway.post('/v1/models/hush', undefined, { method: 'GET' })
    const linesOf = (): readonly Record<string, unknown>[] =>
      gateway.lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ route }) => typeof route === 'string')
    await expect.poll(() => linesOf().length).toBe(2)
    expect(linesOf()).toMatchObject([
      { method: 'POST', route: path, status: 200 },
      { method: 'GET', route: '/v1/models/:id', status: 404 },
    ])
    expect(gateway.lines.join('\n')).not.toContain('hush')
  })

  test('what a caller says of its trace goes on, and nothing that is no trace', async () => {
    await using ollama = await startOllama()
    await using gateway = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
    const key = await gateway.createKey()
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    for (const headers of [
      { traceparent, tracestate: 'vendor=1' },
      { traceparent, tracestate: `vendor=${key}` },
      { traceparent: 'hush', tracestate: 'vendor=1' },
      { tracestate: 'vendor=1' },
    ])
      await gateway.post(path, chat(), { headers, key })
    const heard = ollama.seen.filter((one) => one.path === path).map(({ headers }) => headers)
    expect(heard.map((one) => [one['traceparent'], one['tracestate']])).toEqual([
      [traceparent, 'vendor=1'],
      [traceparent, undefined],
      [undefined, undefined],
      [undefined, undefined],
    ])
  })

  test('names that callers make up are no series of the metrics, and no model of the usage', async () => {
    const prometheus = createPrometheus({}, () => 0)
    await using openai = await startOpenai()
    await using gateway = await openGateway({
      upstreams: [{ preset: 'openai', url: openai.url }],
      models: [{ name: 'fast', to: [{ upstream: 'openai', model: 'gpt-5-mini' }], limits: [] }],
      ward: { telemetry: createTelemetry([], prometheus) },
    })
    const ask = async (model: string) => {
      await (await gateway.post(path, chat({ model }))).text()
      await (await gateway.post(`/v1/${model}`, chat())).text()
      await (await gateway.post('/v1/models/' + model, undefined, { method: 'GET' })).text()
    }
    await ask('fast')
    await ask('none')
    const seriesOf = async () => readMetrics((await prometheus.page()).text).map(({ labels }) => labels)
    const before = await seriesOf()
    for (let name = 0; name < 20; name += 1) await ask(`strange-${name}`)
    expect(await seriesOf()).toHaveLength(before.length)
    expect(JSON.stringify(await seriesOf())).not.toContain('strange')
    expect(before).toContainEqual(expect.objectContaining({ measure: 'tokens', model: 'fast' }))
    const rows = await gateway.ward.ledger?.usage({ by: ['model'] } as never)
    expect(rows?.map(({ model }) => model).filter((model) => model !== null)).toEqual(['fast'])
  })
})

describe('a stream', () => {
  test('says that no proxy may gather it, and no cache keep it', async () => {
    await using calls = await openEndingCalls()
    const { headers } = await calls.read(hostile['says usage nowhere'], { stream: true })
    expect([headers.get('x-accel-buffering'), headers.get('cache-control')]).toEqual(['no', 'no-store'])
    const whole = await calls.read(hostile['answers JSON to a stream'])
    expect(whole.headers.get('x-accel-buffering')).toBeNull()
  })

  test.each([
    ['says usage nowhere', true],
    ['dies in an event', false],
  ] as const)('to a client of HTTP/1.0, whose upstream %s, looks whole: %s', async (name, isWhole) => {
    await using calls = await openEndingCalls()
    const key = await calls.gateway.createKey()
    const { said, hasFailed } = await askAnHttp10(calls, key, name)
    expect(said).toMatch(/^HTTP\/1\.1 200 /)
    expect(said).not.toMatch(/transfer-encoding/i)
    expect(said.includes('data: [DONE]')).toBe(isWhole)
    expect(hasFailed).toBe(!isWhole)
  })
})

/** A stream over HTTP/1.0, and whether its connection ended as one does that failed. */
async function askAnHttp10(
  calls: Awaited<ReturnType<typeof openEndingCalls>>,
  key: string,
  name: keyof typeof hostile,
): Promise<{ readonly said: string; readonly hasFailed: boolean }> {
  // Names the behaviour for the next call of this user.
  await calls.read(hostile[name], { stream: true })
  const body = JSON.stringify({ model: 'm', user: '0', stream: true, messages: [] })
  const socket = connect(Number(new URL(calls.gateway.url).port), '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<boolean>()
  let said = ''
  let hasFailed = false
  socket
    .setEncoding('utf8')
    .on('data', (piece) => {
      said += piece
    })
    .on('error', () => {
      hasFailed = true
    })
    .on('close', () => resolve(hasFailed))
  socket.write(
    `POST ${path} HTTP/1.0\r\nauthorization: Bearer ${key}\r\n${Object.entries(json)
      .map(([header, value]) => `${header}: ${value}`)
      .join('')}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  return { hasFailed: await promise, said }
}
