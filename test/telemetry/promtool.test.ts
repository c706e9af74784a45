import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import type { RunningServer } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { openWard } from '../../src/ward/open-ward.ts'
import { ask } from '../e2e/ask-node.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { findFreePort, lookForProgram } from '../support/services.ts'
import { type CollectedSpans, collectSpans } from './collect-spans.ts'
import { readDashboard, readGuide, readRules, selectorsIn } from './observed-files.ts'

const program = await lookForProgram('prometheus')
const isThere = program !== undefined
const promtool = join(dirname(program ?? ''), 'promtool')

describe.runIf(isThere)('Debian’s promtool', () => {
  test('finds nothing wrong with deploy/prometheus', () => {
    execFileSync(promtool, ['check', 'rules', '--lint-fatal', 'deploy/prometheus/rules.yml'])
    execFileSync(promtool, ['check', 'config', '--syntax-only', 'deploy/prometheus/prometheus.yml'])
  })

  test.each(['rules.yml', 'rules-of-a-day.yml'])('sees the alerts of %s come and go', (file) => {
    const { status, stdout } = spawnSync(promtool, ['test', 'rules', join('test/telemetry', file)], {
      encoding: 'utf8',
    })
    expect([status, stdout]).toEqual([0, expect.stringContaining('SUCCESS')])
  })
})

interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

describe.runIf(isThere)('a Prometheus that scrapes as the guide says', () => {
  let collected: CollectedSpans
  let folder: string
  let server: RunningServer
  let prometheus: ChildProcess
  let origin: string
  let key = ''
  let page = ''

  beforeAll(async () => {
    collected = collectSpans()
    folder = mkdtempSync(join(tmpdir(), 'modelward-prometheus-'))
    const data = join(folder, 'data')
    server = await startServer({
      ...serverDefaults,
      logLevel: 'silent',
      logRequests: false,
      data,
      tracing: createOtelTracing(),
      firstKeys: 'report',
      onFirstKeys: (report) => {
        if ('keys' in report) key = report.keys.demo
      },
    })
    const format = { prefix: 'mw', environment: 'live' } as const
    const { ward } = await openWard({ data, create: false, schemes: [], format })
    const { text: metricsKey } = await ward.keys.create({ name: 'prometheus', scopes: ['metrics:read'] })
    await ward.close()
    for (let asked = 0; asked < 7; asked += 1) expect((await ask(server, key)).status).toBe(200)
    expect((await ask(server, `${key}x`)).status).toBe(403)
    const headers = { authorization: `Bearer ${metricsKey}` }
    page = await (await fetch(`${server.address}/metrics`, { headers })).text()
    writeFileSync(join(folder, 'modelward-key'), `${metricsKey}\n`)
    const [, guide = ''] = /```yaml\n(scrape_configs:\n.*?)```/s.exec(readGuide()) ?? []
    const scrape = guide
      .replace('/etc/prometheus/modelward-key', join(folder, 'modelward-key'))
      .replace('127.0.0.1:8000', new URL(server.address).host)
    const global = 'global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n'
    const rules = 'rule_files:\n  - rules.yml\n'
    writeFileSync(join(folder, 'prometheus.yml'), global + rules + scrape)
    writeFileSync(join(folder, 'rules.yml'), readFileSync('deploy/prometheus/rules.yml'))
    const port = await findFreePort()
    origin = `http://127.0.0.1:${port}`
    prometheus = spawn(
      program ?? '',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--enable-feature=exemplar-storage',
      ],
      { stdio: 'ignore' },
    )
  })

  afterAll(async () => {
    const ended = once(prometheus, 'exit')
    prometheus.kill('SIGKILL')
    await ended
    await server.close()
    await collected.stop()
    rmSync(folder, { recursive: true })
  })

  async function query(expr: string): Promise<readonly Sample[]> {
    const url = `${origin}/api/v1/query?query=${encodeURIComponent(expr)}`
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.status !== 200) return []
    const { data } = (await answer.json()) as { readonly data: { readonly result: readonly Sample[] } }
    return data.result
  }

  const valuesOf = async (expr: string): Promise<readonly number[]> =>
    (await query(expr)).map(({ value }) => Number(value[1]))

  test('has the server up, and its counts', async () => {
    await expect.poll(() => valuesOf('up{job="modelward"}'), { timeout: 100_000 }).toEqual([1])
    const admitted = 'modelward_requests_total{route="/predict",status="200",code=""}'
    expect(await valuesOf(admitted)).toEqual([7])
    expect(await valuesOf('sum(modelward_requests_total{code="key_invalid"})')).toEqual([1])
  })

  test('has the trace of a request that took as long, for Grafana to open', async () => {
    const range = `start=${Date.now() / 1_000 - 600}&end=${Date.now() / 1_000}`
    const expr = encodeURIComponent('modelward_request_duration_seconds_bucket{route="/predict"}')
    const answer = await fetch(`${origin}/api/v1/query_exemplars?query=${expr}&${range}`)
    const { data } = (await answer.json()) as {
      readonly data: readonly { readonly exemplars: readonly { readonly labels: object }[] }[]
    }
    const exported = new Set(collected.spans.map((span) => span.spanContext().traceId))
    const stored = data.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels))
    expect(stored.length).toBeGreaterThan(0)
    for (const labels of stored) {
      expect(Object.keys(labels)).toEqual(['trace_id'])
      expect(exported).toContain((labels as { readonly trace_id: string }).trace_id)
    }
  })

  test('has every figure of the process that the dashboard shows', () => {
    const { panels } = readDashboard()
    const named = panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => selectorsIn(expr)))
    const ofProcess = named.map(({ name }) => name).filter((name) => /^(?:process|nodejs)_/.test(name))
    expect(ofProcess.length).toBeGreaterThan(2)
    expect(ofProcess.filter((name) => !page.includes(`\n${name}`))).toEqual([])
  })

  test('has no alert for a server that does well', async () => {
    const { data } = (await (await fetch(`${origin}/api/v1/rules`)).json()) as {
      readonly data: { readonly groups: readonly { readonly rules: readonly { readonly name: string }[] }[] }
    }
    const loaded = data.groups.flatMap(({ rules }) => rules.map(({ name }) => name))
    expect(loaded).toEqual(readRules().map(({ alert }) => alert))
    expect(await query('ALERTS{alertstate="firing"}')).toEqual([])
  })

  test('gets a page that promtool has nothing to say about', () => {
    const { status, stderr, stdout } = spawnSync(promtool, ['check', 'metrics'], {
      input: page,
      encoding: 'utf8',
    })
    expect([status, stdout, stderr]).toEqual([0, '', ''])
  })
})
