import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import { startServer } from '../../src/server/start-server.ts'
import { temporaryFolder } from '../e2e/run-cli.ts'
import { startOllama } from '../gateway/simulators/ollama.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { testUpstream } from '../support/test-upstream.ts'
import { collectSpans, treeOf } from './collect-spans.ts'

const collected = collectSpans()
afterAll(() => collected.stop())

const name = 'modelward.upstream'
const route = 'POST /v1/chat/completions'
const body = { model: 'fast', messages: [{ role: 'user', content: 'hello' }] }

/** A model server of the test's own, on loopback. */
async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A server whose model `fast` is asked of these upstreams, in turn. */
async function start(...urls: readonly string[]) {
  const folder = temporaryFolder()
  let demo = ''
  const server = await startServer({
    ...serverDefaults,
    data: `${folder.path}/data`,
    servedModels: [],
    scheme: ['bearer'],
    gateway: {
      upstreams: urls.map((url, index) => testUpstream({ preset: 'ollama', name: `up-${index}`, url })),
      models: [
        {
          name: 'fast',
          to: urls.map((_url, index) => ({ upstream: `up-${index}`, model: 'llama3.2:3b' })),
          limits: [],
        },
      ],
      bodyMax: 1_048_576,
      answerMax: 1_048_576,
    },
    tracing: createOtelTracing(),
    logStream: { write: () => {} },
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) ({ demo } = report.keys)
    },
  })
  onTestFinished(async () => {
    await server.close()
    folder[Symbol.dispose]()
  })
  return (traceId: string, more: object = {}, signal?: AbortSignal) =>
    fetch(`${server.address}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${demo}`,
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      },
      body: JSON.stringify({ ...body, ...more }),
      ...(signal && { signal }),
    })
}

test('each attempt at an upstream is a span under the request, and the upstream’s own spans stand under it', async () => {
  const broken = await listen((request, response) => {
    request.resume()
    response.writeHead(500).end('its own words')
  })
  await using ollama = await startOllama()
  const nowhere = 'http://127.0.0.1:9'
  const ask = await start(nowhere, broken, ollama.url)
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const answer = await ask(traceId)
  expect(answer.status).toBe(200)
  await answer.text()
  const spans = await collected.ofTrace(traceId, route, ...Array(4).fill(name))
  expect(treeOf(spans).filter((line) => line.includes(name))).toEqual(Array(4).fill(`${route} > ${name}`))
  const asked = (upstream: string, more: object) => ({
    'http.request.method': 'POST',
    'modelward.upstream': upstream,
    'modelward.model': 'llama3.2:3b',
    ...more,
  })
  const attempts = spans.filter((span) => span.name === name)
  expect(attempts.map(({ attributes, status }) => [attributes, status.code])).toEqual([
    // A connection that was refused is tried again.
    [asked('up-0', { 'error.type': 'unreachable' }), 2],
    [asked('up-0', { 'error.type': 'unreachable' }), 2],
    [asked('up-1', { 'http.response.status_code': 500, 'error.type': '500' }), 2],
    [asked('up-2', { 'http.response.status_code': 200 }), 0],
  ])
  expect(ollama.seen.find(({ path }) => path === '/v1/chat/completions')?.headers['traceparent']).toBe(
    `00-${traceId}-${attempts[3]?.spanContext().spanId}-01`,
  )
})

test('the span of a stream ends with it, and where its client leaves, without an error', async () => {
  const pieces = await listen((request, response) => {
    request.resume()
    const begun = { 'content-type': 'text/event-stream' }
    // It goes on until its client has left.
    response.writeHead(200, begun).write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')
  })
  const ask = await start(pieces)
  const traceId = '1af7651916cd43dd8448eb211c80319c'
  const left = new AbortController()
  const answer = await ask(traceId, { stream: true }, left.signal)
  expect(answer.status).toBe(200)
  const ended = () =>
    collected.spans.filter((span) => span.name === name && span.spanContext().traceId === traceId)
  expect(ended()).toEqual([])
  left.abort()
  await collected.ofTrace(traceId, route, name)
  expect(ended().map(({ attributes, status }) => [attributes, status.code])).toMatchObject([
    [{ 'http.response.status_code': 200 }, 0],
  ])
})
