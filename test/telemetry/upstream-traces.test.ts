import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import { startOllama } from '../gateway/simulators/ollama.ts'
import { collectSpans, treeOf } from './collect-spans.ts'
import { startBefore } from './upstream-server.ts'

const collected = collectSpans()
afterAll(() => collected.stop())

const name = 'modelward.upstream'
const route = 'POST /v1/chat/completions'

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

/** Asks a server whose model `fast` is asked of these upstreams, within a trace of the client's. */
async function start(...urls: readonly string[]) {
  const { ask } = await startBefore(urls, { tracing: createOtelTracing() })
  return (traceId: string, more: object = {}, signal?: AbortSignal, headers: object = {}) =>
    ask(more, {
      headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01`, ...headers },
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

test('each attempt of a job at an upstream is a span under its call, which the upstream’s own spans stand under', async () => {
  await using ollama = await startOllama()
  const ask = await start('http://127.0.0.1:9', ollama.url)
  const traceId = '2af7651916cd43dd8448eb211c80319c'
  const accepted = await ask(traceId, {}, undefined, { prefer: 'respond-async' })
  expect(accepted.status).toBe(202)
  const spans = await collected.ofTrace(traceId, 'modelward.job', ...Array(3).fill(name))
  const lines = treeOf(spans).filter((line) => line.includes(name) || line.endsWith('modelward.model'))
  expect(lines).toEqual([
    'modelward.job > modelward.model',
    ...Array(3).fill('modelward.model > modelward.upstream'),
  ])
  const called = spans.find((span) => span.name === 'modelward.model')
  expect(called?.attributes).toMatchObject({ 'modelward.model': 'fast' })
  const last = spans.findLast((span) => span.name === name)
  expect(last?.attributes).toMatchObject({ 'modelward.upstream': 'up-1', 'http.response.status_code': 200 })
  expect(ollama.seen.find(({ path }) => path === '/v1/chat/completions')?.headers['traceparent']).toBe(
    `00-${traceId}-${last?.spanContext().spanId}-01`,
  )
})
