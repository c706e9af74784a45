import { createHash } from 'node:crypto'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createPrometheus } from '../../src/prometheus/prometheus.ts'
import { events } from '../../src/telemetry/events.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { closeApps, openAskingApp } from '../support/open-asking-app.ts'
import { openMeasuredApp, sumBy } from '../support/open-measured-app.ts'
import { readMetrics } from '../support/read-metrics.ts'

afterEach(closeApps)

describe('labels', () => {
  test('are closed: 100,000 requests to random paths, by random methods, keys and models make at most 5,000 series', async () => {
    const { measures, page } = createPrometheus({}, () => 0)
    const codes = ['rate_limited', 'input_invalid', null, 'mw_live_secret', 'key_invalid']
    for (let sent = 0; sent < 100_000; sent += 1) {
      const path = `/secret-${(sent * 7919) % 99_991}`
      const status = sent % 700
      const code = codes[sent % codes.length] ?? null
      measures.request({ route: path, method: `M${sent % 30}`, status, code, ms: sent % 90_000 })
      measures.used(path, path, 1)
      measures.modelCall(path, 1, true)
      measures.jobBegan(path, 1)
      measures.jobEnded(path, 1)
      measures.event(path as never)
    }
    const { text } = await page()
    const series = readMetrics(text)
    expect(series.length).toBeGreaterThan(3_500)
    expect(series.length).toBeLessThanOrEqual(5_000)
    const total = series.filter(({ name }) => name === 'modelward_requests_total')
    expect(
      sumBy(
        total,
        () => 'all',
        ({ value }) => value,
      ),
    ).toEqual({ all: 100_000 })
    expect(new Set(series.map(({ labels: { route } }) => route)).size).toBeLessThanOrEqual(202)
    expect(
      total.filter(({ labels: { method, code } }) => method !== 'other' || code === 'mw_live_secret'),
    ).toEqual([])
  })

  test('name up to 200 routes with their times, and leave some series to models', async () => {
    const { measures, page } = createPrometheus({}, () => 0)
    for (let route = 0; route < 300; route += 1)
      measures.request({ route: `/route-${route}`, method: 'GET', status: 200, code: null, ms: 1 })
    for (const model of ['a', 'b', 'c', 'd']) measures.modelCall(model, 1, true)
    const series = readMetrics((await page()).text)
    const counts = series.filter(({ name }) => name === 'modelward_request_duration_seconds_count')
    expect(counts.length).toBeGreaterThan(190)
    expect(counts[0]?.labels).toEqual({ route: 'other' })
    expect(
      sumBy(
        counts,
        () => 'all',
        ({ value }) => value,
      ),
    ).toEqual({ all: 300 })
    expect(series.filter(({ name }) => name === 'modelward_model_errors_total')).toHaveLength(4)
    expect(series.length).toBeLessThanOrEqual(5_000)
  })

  test('hold no key, owner, path, address or id, whatever is sent', async () => {
    const { ask, app, createKey, keys, series, page } = await openMeasuredApp()
    const key = await createKey({ owner: 'owner-of-it', scopes: ['predict', 'metrics:read'] })
    const id = (await ask('GET', '/v1/keys/self', { key })).json().id
    await ask('GET', `/nowhere/${key}`, { key, headers: { 'x-request-id': key } })
    await ask('POST', `/predict?key=${key}`, { key, body: { text: key } })
    await app.inject({ method: 'GET', url: '/predict', headers: { 'x-api-key': keys.wrong, cookie: key } })
    await app.inject({ url: '/metrics', headers: { authorization: `Bearer ${key}` } })
    const texts = [(await page()).text, (await page('application/openmetrics-text')).text]
    for (const secret of [key, key.slice(3, 15), keys.wrong, id, 'owner-of-it', 'nowhere', '127.0.0.1'])
      for (const text of texts) expect(text).not.toContain(secret)
    expect((await series()).length).toBeLessThan(600)
  })
})

describe('GET /metrics', () => {
  test('is for administrators and keys that may read metrics, by Bearer whatever the scheme is, and is operational', async () => {
    const { ask, app, createKey, keys, ledger } = await openMeasuredApp()
    const reader = await createKey({ scopes: ['metrics:read'] })
    const statusOf = async (headers: Readonly<Record<string, string>>): Promise<number> =>
      (await app.inject({ url: '/metrics', headers })).statusCode
    expect(await statusOf({})).toBe(401)
    expect(await statusOf({ authorization: `Bearer ${keys.right}` })).toBe(403)
    expect(await statusOf({ authorization: `Bearer ${keys.admin}` })).toBe(200)
    expect(await statusOf({ authorization: `Bearer ${reader}` })).toBe(200)
    expect(await statusOf({ 'x-api-key': reader })).toBe(200)
    expect(await statusOf({ 'x-api-key': reader, authorization: `Bearer ${keys.admin}` })).toBe(400)
    expect(ledger.entries.at(-2)).toMatchObject({
      event: 'request.admitted',
      route: '/metrics',
      status: 200,
      measures: {},
    })
    // Of no other route: there the key has one place.
    const elsewhere = await app.inject({
      url: '/v1/keys/self',
      headers: { authorization: `Bearer ${reader}` },
    })
    expect(elsewhere.statusCode).toBe(401)
    expect((await ask('GET', '/metrics', { key: reader })).headers['content-type']).toMatch(
      /^text\/plain; version=0\.0\.4/,
    )
  })

  test('records no request id in which the key of the bearer stands, an imported one either', async () => {
    const { app, ledger, ward } = await openMeasuredApp()
    const key = 'a-key-of-elsewhere'
    const sha256 = createHash('sha256').update(key).digest('hex')
    await ward.keys.import([{ name: 'scraper', sha256, scopes: ['metrics:read'] }])
    const headers = { authorization: `Bearer ${key}`, 'x-request-id': `from-${key}` }
    expect((await app.inject({ url: '/metrics', headers })).statusCode).toBe(200)
    expect(ledger.entries.at(-1)).toMatchObject({ route: '/metrics', clientRequestId: null })
  })

  test('`open` asks for no key and records nothing; `off` is not there, and asks for a key', async () => {
    const open = await openMeasuredApp({ metrics: 'open' })
    expect((await open.app.inject({ url: '/metrics' })).statusCode).toBe(200)
    expect(open.ledger.entries.filter(({ route }) => route === '/metrics')).toEqual([])
    const off = await openMeasuredApp({ metrics: 'off' })
    expect((await off.app.inject({ url: '/metrics' })).statusCode).toBe(401)
    expect((await off.ask('GET', '/metrics')).statusCode).toBe(404)
  })

  test('is OpenMetrics where `Accept` prefers it', async () => {
    const { ask, keys } = await openMeasuredApp({ metrics: 'open' })
    await ask('GET', '/models')
    const accept = 'application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
    const answer = await ask('GET', '/metrics', { key: keys.admin, headers: { accept } })
    expect(answer.headers['content-type']).toMatch(/^application\/openmetrics-text; version=1\.0\.0/)
    expect(answer.body).toMatch(/^# TYPE modelward_requests counter$/m)
    expect(answer.body).toMatch(/^modelward_requests_total\{/m)
    expect(answer.body).toMatch(/\n# EOF\n$/)
    const text = await ask('GET', '/metrics', {
      key: keys.admin,
      headers: { accept: 'text/plain, */*;q=0.1' },
    })
    expect(text.body).toMatch(/^# TYPE modelward_requests_total counter$/m)
    expect(text.body).toMatch(/^process_cpu_user_seconds_total \d/m)
  })

  test('answers all who ask within a second with one page, of each format', async () => {
    let now = 0
    const { measures, page } = createPrometheus({}, () => now)
    let reads = 0
    measures.figure('ledger_pending', () => (reads += 1))
    const pages = await Promise.all(Array.from({ length: 50 }, () => page()))
    expect(new Set(pages).size).toBe(1)
    now = 999
    expect(await page()).toBe(pages[0])
    expect(reads).toBe(1)
    now = 1_000
    expect(await page()).not.toBe(pages[0])
  })
})

describe('counted too', () => {
  test('are public routes, and requests that are refused ahead of the guard or by the parser', async () => {
    const { app, series } = await openMeasuredApp()
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    for (const bytes of [
      'GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n',
      'garbage\r\n\r\n',
    ]) {
      const socket = connect(port, '127.0.0.1')
      socket.end(bytes)
      await text(socket)
    }
    const counts = (await series()).filter(({ name }) => name === 'modelward_requests_total')
    expect(counts.map(({ labels, value }) => ({ ...labels, value }))).toEqual([
      { route: '/health', method: 'GET', status: '200', code: '', value: 1 },
      { route: '/health', method: 'GET', status: '400', code: 'request_malformed', value: 1 },
      { route: '', method: '', status: '400', code: 'request_malformed', value: 1 },
    ])
  })

  test('is what the ledger could not record, as the 503 that it was', async () => {
    const { ask, ledger, series } = await openMeasuredApp()
    ledger.fault = new Error('the disk is out')
    expect((await ask('POST', '/predict', { body: { text: 'a' } })).statusCode).toBe(503)
    ledger.fault = undefined
    const metrics = await series()
    expect(metrics.find(({ labels: { route } }) => route === '/predict')).toMatchObject({
      labels: { status: '503', code: 'ledger_unavailable' },
      value: 1,
    })
    expect(metrics.find(({ name }) => name === 'modelward_measures_total')).toBeUndefined()
    expect(metrics.find(({ name }) => name === 'modelward_requests_in_flight')?.value).toBe(0)
  })

  test('is a verdict for another program once, under its own route, whatever route that names', async () => {
    const { ask, createKey, keys, series } = await openMeasuredApp()
    const key = await createKey({ scopes: ['keys:verify'] })
    const body = { key: keys.right, route: 'POST /named-by-the-client' }
    expect((await ask('POST', '/v1/keys/verify', { key, body })).statusCode).toBe(200)
    const metrics = await series()
    const counts = metrics.filter(({ name }) => name === 'modelward_requests_total')
    expect(counts).toMatchObject([{ labels: { route: '/v1/keys/verify', status: '200' }, value: 1 }])
    expect(metrics.find(({ name }) => name === 'modelward_requests_in_flight')?.value).toBe(0)
    expect(metrics.find(({ labels: { measure } }) => measure === 'requests')?.value).toBe(1)
  })
})

test('failures are counted from 0 on: a rate does not see the first of a series that begins with it', async () => {
  const { measures, page } = createPrometheus({}, () => 0)
  measures.limiterTake('memory', 1)
  measures.modelCall('a', 1, false)
  const failures = async () =>
    readMetrics((await page()).text)
      .filter(({ name }) => /_(?:limiter|model)_errors_total$/.test(name))
      .map(({ labels, value }) => [labels, value])
  expect(await failures()).toEqual([
    [{ model: 'a' }, 0],
    [{ backend: 'memory' }, 0],
  ])
})

test('events are counted from 0 on too, before there is one', async () => {
  const { measures, page } = createPrometheus({}, () => 0)
  measures.event('store.unreachable')
  const counts = readMetrics((await page()).text)
    .filter(({ name }) => name === 'modelward_events_total')
    .map(({ labels: { event }, value }) => [event, value])
  expect(Object.fromEntries(counts)).toEqual({
    ...Object.fromEntries(Object.keys(events).map((name) => [name, 0])),
    'store.unreachable': 1,
  })
})

test('a listener that throws gets nothing more, and stops no request', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  let told = 0
  const telemetry = createTelemetry([], {
    measures: {
      ...createPrometheus({}, () => 0).measures,
      request() {
        told += 1
        throw new Error('mine')
      },
    },
  })
  const { ask } = await openAskingApp({ ward: { telemetry } })
  for (let sent = 0; sent < 3; sent += 1)
    expect((await ask('POST', '/predict', { body: { text: 'a' } })).statusCode).toBe(200)
  expect(told).toBe(1)
  expect(warned).toHaveBeenCalledTimes(1)
  warned.mockRestore()
})
