import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import { createPrometheus } from '../../src/prometheus/prometheus.ts'
import { startServer } from '../../src/server/start-server.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { readMetrics, type Series } from '../support/read-metrics.ts'
import { constantModel } from '../support/test-app.ts'
import { type CollectedSpans, collectSpans } from './collect-spans.ts'

const openMetrics = 'application/openmetrics-text'
const bucket = 'modelward_request_duration_seconds_bucket'
const traceOf = (n: number): string => n.toString(16).padStart(32, '0')

function exemplarsIn(page: string): readonly (Series & { readonly exemplar: object })[] {
  return readMetrics(page).flatMap((series) =>
    series.exemplar === undefined ? [] : [{ ...series, exemplar: series.exemplar }],
  )
}

describe('exemplars', () => {
  test('are one a bucket and route, the newest, however many requests there are', async () => {
    const { measures, page } = createPrometheus({}, () => 0)
    const times = [0.3, 3, 30, 300, 100_000]
    for (let sent = 1; sent <= 5_000; sent += 1)
      for (const route of ['/a', '/b'])
        measures.request({
          ...{ route, method: 'GET', status: 200, code: null },
          ms: times[sent % times.length] ?? 0,
          traceId: traceOf(sent),
        })
    const found = exemplarsIn((await page(openMetrics)).text)
    expect(found.map(({ name }) => name)).toEqual(Array.from({ length: 10 }, () => bucket))
    for (const { labels, exemplar } of found)
      expect({ le: labels['le'], ...exemplar }).toMatchObject(expectedOf(labels['le']))

    function expectedOf(le = ''): object {
      const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) * 1_000
      const at = times.findIndex(
        (ms, index) => ms <= bound && (index === 0 || (times[index - 1] ?? 0) < bound),
      )
      const ms = times.filter((one) => one <= bound).at(-1) ?? 0
      expect(at).toBeGreaterThanOrEqual(0)
      const newest = 5_000 - ((5_000 - times.indexOf(ms)) % times.length)
      return { traceId: traceOf(newest), value: ms / 1_000 }
    }
  })

  test('are in no page of text, and of no request without a trace, nor one whose id is none', async () => {
    const { measures, page } = createPrometheus({}, () => 0)
    const request = { route: '/a', method: 'GET', status: 200, code: null, ms: 1 }
    measures.request(request)
    for (const traceId of [
      'mw_live_secret',
      '"} 1\nforged 1',
      traceOf(0),
      traceOf(7).toUpperCase().slice(1),
      '',
    ])
      measures.request({ ...request, traceId })
    expect(exemplarsIn((await page(openMetrics)).text)).toEqual([])
    measures.request({ ...request, traceId: traceOf(7) })
    const other = createPrometheus({}, () => 0)
    other.measures.request({ ...request, traceId: traceOf(7) })
    expect((await other.page()).text).not.toContain(traceOf(7))
    expect(exemplarsIn((await other.page(openMetrics)).text)).toHaveLength(1)
  })
})

describe('the server, where traces are on', () => {
  let collected: CollectedSpans
  let isSampled = true
  const sampler: Sampler = {
    shouldSample: () => ({
      decision: isSampled ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD,
    }),
    toString: () => 'as the test says',
  }
  const closing: (() => Promise<unknown>)[] = []
  beforeAll(() => {
    collected = collectSpans(sampler)
  })
  afterAll(() => collected.stop())
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })

  test('names the trace of a request that is exported: guarded, public or refused; and no other', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelward-exemplars-'))
    closing.push(() => rm(folder, { recursive: true }))
    let key = ''
    const server = await startServer({
      ...serverDefaults,
      data: join(folder, 'data'),
      servedModels: [constantModel],
      metrics: 'open',
      logLevel: 'silent',
      tracing: createOtelTracing(),
      firstKeys: 'report',
      onFirstKeys: (report) => {
        if ('keys' in report) key = report.keys.demo
      },
    })
    closing.push(() => server.close())
    const ask = async (path: string, trace: number, sent: string): Promise<number> => {
      const isPredict = path === '/predict'
      const headers = { 'x-api-key': sent, traceparent: `00-${traceOf(trace)}-b7ad6b7169203331-01` }
      const answer = await fetch(`${server.address}${path}`, {
        method: isPredict ? 'POST' : 'GET',
        headers: { ...headers, 'content-type': 'application/json' },
        ...(isPredict && { body: '{"text":"hello"}' }),
      })
      await answer.text()
      return answer.status
    }
    const traced = async (): Promise<Readonly<Record<string, readonly string[]>>> => {
      // Of its own format each page is a second old at most.
      const page = await fetch(`${server.address}/metrics`, { headers: { accept: openMetrics } })
      const byRoute: Record<string, string[]> = {}
      for (const { labels, exemplar } of exemplarsIn(await page.text()))
        byRoute[labels['route'] ?? ''] = [
          ...(byRoute[labels['route'] ?? ''] ?? []),
          (exemplar as { traceId: string }).traceId,
        ]
      return byRoute
    }
    expect(await ask('/predict', 1, key)).toBe(200)
    expect(await ask('/health', 2, key)).toBe(200)
    expect(await ask('/models', 3, `${key}x`)).toBe(403)
    isSampled = false
    expect(await ask('/predict', 4, key)).toBe(200)
    expect(await ask('/health', 5, key)).toBe(200)
    await expect.poll(traced).toMatchObject({
      '/predict': [traceOf(1)],
      '/health': [traceOf(2)],
      '/models': [traceOf(3)],
    })
  })
})
