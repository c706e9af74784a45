import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runError, type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { type OtlpReceiver, openOtlpReceiver } from './otlp-receiver.ts'

function exportTo({ address }: Pick<OtlpReceiver, 'address'>, more: Readonly<Record<string, string>> = {}) {
  return { env: { OTEL_EXPORTER_OTLP_ENDPOINT: address, OTEL_BSP_SCHEDULE_DELAY: '50', ...more } }
}

function demoKey(data: string): string {
  return JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')).demo
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`

interface Asked {
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

/** @returns the status */
function ask(address: string, key: string, { path = '/predict', method = 'POST', headers }: Asked = {}) {
  return new Promise<number | undefined>((resolve, reject) => {
    const sent = { 'content-type': 'application/json', 'x-api-key': key, ...headers }
    const asked = request(`${address}${path}`, { method, headers: sent as never }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode))
    })
    asked.on('error', reject).end(method === 'POST' ? '{"text":"I love this product"}' : undefined)
  })
}

interface Line {
  readonly event: string
  readonly since?: string
}

function eventsIn(log: string): readonly Line[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{"level"'))
  return lines.map((line) => JSON.parse(line) as Line).filter(({ event }) => event !== undefined)
}

async function endOf({ child }: ServeProcess): Promise<number | null> {
  const closed = once(child, 'close') as Promise<[number | null]>
  child.kill('SIGTERM')
  return (await closed)[0]
}

/** Has the process fail to find these packages, and say which of OpenTelemetry's it looks for. */
function watchImports(missing: string): Readonly<Record<string, string>> {
  const hooks = `
    import { registerHooks } from 'node:module'
    registerHooks({
      resolve(specifier, context, next) {
        if (!specifier.startsWith('@opentelemetry/')) return next(specifier, context)
        process.stderr.write(JSON.stringify({ imports: specifier }) + '\\n')
        if (specifier !== '${missing}') return next(specifier, context)
        throw Object.assign(new Error('not there'), { code: 'ERR_MODULE_NOT_FOUND' })
      },
    })`
  return { NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(hooks)}"` }
}

describe('the server’s exporter', () => {
  test('sends the spans of a request to the collector, and what is left when it closes', async () => {
    await using collector = await openOtlpReceiver()
    using folder = temporaryFolder()
    await using server = await startServe(folder.path, [], exportTo(collector))
    const key = demoKey(folder.path)
    expect(await ask(server.address, key, { headers: { traceparent } })).toBe(200)
    const ofTrace = () => collector.spans().filter((span) => span.traceId === traceId)
    await collector.until(() => ofTrace().length >= 6)
    expect(
      ofTrace()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([
      'POST /predict',
      'modelward.guard',
      'modelward.ledger.batch',
      'modelward.ledger.commit',
      'modelward.limits',
      'modelward.model',
    ])
    expect(ofTrace().find(({ name }) => name === 'POST /predict')?.parentSpanId).toBe('00f067aa0ba902b7')
    expect(collector.bodies[0]).toContain('"modelward"')
    expect(collector.bodies.join()).not.toContain(folder.path)
    expect(await endOf(server)).toBe(0)
  })

  test('sends what had not been sent before the server ends', async () => {
    await using collector = await openOtlpReceiver()
    using folder = temporaryFolder()
    const never = { OTEL_BSP_SCHEDULE_DELAY: '3600000' }
    await using server = await startServe(folder.path, [], exportTo(collector, never))
    await ask(server.address, demoKey(folder.path))
    expect(collector.bodies).toEqual([])
    expect(await endOf(server)).toBe(0)
    expect(collector.spans().map(({ name }) => name)).toContain('POST /predict')
  })

  const patient = { OTEL_EXPORTER_OTLP_TIMEOUT: '3600000', OTEL_BSP_EXPORT_TIMEOUT: '3600000' }

  test.each([
    ['hangs', () => {}],
    [
      'answers garbage',
      (_request: unknown, response: { end: (text: string) => void }) => response.end('<html>'),
    ],
    ['breaks off', (_request: unknown, response: { destroy: () => void }) => response.destroy()],
  ])('harms no answer where the collector %s, and not the end', async (_how, answer) => {
    await using collector = await openOtlpReceiver(answer as never)
    using folder = temporaryFolder()
    await using server = await startServe(folder.path, [], exportTo(collector, patient))
    const key = demoKey(folder.path)
    await ask(server.address, key)
    await collector.until((spans) => spans.length > 0)
    const statuses = await Promise.all(Array.from({ length: 50 }, () => ask(server.address, key)))
    expect([...new Set(statuses)]).toEqual([200])
    expect(await endOf(server)).toBe(0)
  })

  test('says once that the collector is away, and once that it is back, however many requests there were', async () => {
    let isAway = false
    await using collector = await openOtlpReceiver((asked, response) => {
      if (isAway) asked.socket.destroy()
      else response.setHeader('content-type', 'application/json').end('{}')
    })
    using folder = temporaryFolder()
    const impatient = { OTEL_EXPORTER_OTLP_TIMEOUT: '3000' }
    const many = ['--limit-default', '100000/s']
    await using server = await startServe(folder.path, many, exportTo(collector, impatient))
    const key = demoKey(folder.path)
    const told = () => eventsIn(server.log()).filter(({ event }) => event.startsWith('traces.'))
    const names = () => told().map(({ event }) => event)
    const askAtOnce = async () => Promise.all(Array.from({ length: 20 }, () => ask(server.address, key)))
    await askAtOnce()
    await collector.until((spans) => spans.length > 0)
    expect(names()).toEqual([])
    isAway = true
    const statuses: (number | undefined)[] = []
    const failed = collector.bodies.length + 3
    while (!names().includes('traces.not_exported') || collector.bodies.length < failed)
      statuses.push(...(await askAtOnce()))
    isAway = false
    while (!names().includes('traces.exported')) statuses.push(...(await askAtOnce()))
    expect([...new Set(statuses)]).toEqual([200])
    expect(names()).toEqual(['traces.not_exported', 'traces.exported'])
    const [began, ended] = told()
    expect(began).toMatchObject({ level: 'warn', attempts: 1 })
    expect(ended).toMatchObject({ level: 'info', since: began?.since })
  })

  test('harms no answer where nothing listens', async () => {
    using folder = temporaryFolder()
    const nowhere = { address: 'http://127.0.0.1:1' }
    await using server = await startServe(folder.path, [], exportTo(nowhere, patient))
    expect(await ask(server.address, demoKey(folder.path))).toBe(200)
    expect(await endOf(server)).toBe(0)
  })
})

describe('OpenTelemetry’s SDK', () => {
  test.each(['@opentelemetry/sdk-node', '@opentelemetry/exporter-trace-otlp-http'])(
    'that is not installed is one sentence with what installs it, and exit code 2: %s',
    async (missing) => {
      using folder = temporaryFolder()
      const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1', ...watchImports(missing) }
      const { code, error } = await runError(['serve', '--port', '0', '--data', folder.path], { env })
      expect(code).toBe(2)
      expect(error.message).toMatch(
        /^[^.]*: npm install @opentelemetry\/sdk-node @opentelemetry\/exporter-trace-otlp-http$/,
      )
    },
  )

  test('is not loaded without a collector', async () => {
    using folder = temporaryFolder()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: ' ', ...watchImports('') }
    await using server = await startServe(folder.path, [], { env })
    expect(await ask(server.address, demoKey(folder.path), { headers: { traceparent } })).toBe(200)
    const imports = [...server.log().matchAll(/"imports":"([^"]+)"/g)].map(([, name]) => name)
    // That of metrics imports the API by itself.
    expect(imports.filter((name) => name !== '@opentelemetry/api')).toEqual([])
  })

  test('with a sampler that is not known is exit code 2', async () => {
    using folder = temporaryFolder()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_SAMPLER: 'some' }
    const { code, error } = await runError(['serve', '--port', '0', '--data', folder.path], { env })
    expect([code, error.message]).toEqual([2, expect.stringContaining('OTEL_TRACES_SAMPLER')])
  })
})

describe('keys', () => {
  test('are in no span, wherever a client puts them', async () => {
    await using collector = await openOtlpReceiver()
    using folder = temporaryFolder()
    await using server = await startServe(folder.path, [], exportTo(collector))
    const key = demoKey(folder.path)
    const foreign = 'sk-0123456789abcdef-of-another-system'
    const places = (text: string): readonly Asked[] => [
      { headers: { 'x-api-key': text } },
      { headers: { authorization: `Bearer ${text}` } },
      {
        headers: {
          'user-agent': text,
          'x-request-id': text,
          referer: `http://a/${text}`,
          cookie: `k=${text}`,
        },
      },
      { headers: { traceparent, tracestate: `key=${text}`, baggage: `key=${text}` } },
      { headers: { traceparent: text, 'idempotency-key': text } },
      { headers: { prefer: 'respond-async', traceparent, tracestate: `key=${text}` } },
      { path: `/predict?key=${text}` },
      { path: `/${text}` },
      { path: `/%zz${text}` },
      { path: `/jobs/${text}`, method: 'GET' },
      { path: `/v1/keys/${text}`, method: 'DELETE' },
    ]
    for (const asked of places(key)) {
      await ask(server.address, key, asked)
      await ask(server.address, foreign, asked)
    }
    // Of text that is no key of ours nothing tells that it is one, but that it is presented.
    for (const asked of places(foreign)) await ask(server.address, foreign, asked)
    expect(await endOf(server)).toBe(0)
    const told = collector.bodies.join('\n')
    expect(collector.spans().length).toBeGreaterThan(40)
    // The id of a key is public; its secret begins behind it.
    expect([key.slice(-40), foreign].filter((text) => told.includes(text))).toEqual([])
  })
})
