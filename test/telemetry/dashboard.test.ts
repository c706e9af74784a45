import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { faults } from '../../src/core/fault.ts'
import { type MetricName, type MetricRow, metricsTable } from '../../src/prometheus/metrics-table.ts'
import { groupingsIn, readDashboard, readGuide, readRules, selectorsIn } from './observed-files.ts'

const dashboard = readDashboard()
const rules = readRules()
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const expressions: readonly (readonly [where: string, expr: string])[] = [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
]
/** Of the scrape. */
const ofTarget = ['job', 'instance']

/** The row of a series: a histogram has three of its own. */
function rowOf(series: string): MetricRow | undefined {
  const isOf = (suffix: string): MetricRow | undefined => {
    const row = metricsTable[series.replace(suffix, '') as MetricName]
    return series.endsWith(suffix) && row?.type === 'histogram' ? row : undefined
  }
  const own = metricsTable[series as MetricName]
  return own?.type === 'histogram' ? undefined : (own ?? isOf('_bucket') ?? isOf('_sum') ?? isOf('_count'))
}

function labelsOf(series: string): readonly string[] {
  const own = rowOf(series)?.labels ?? []
  return series.endsWith('_bucket') ? [...own, ...ofTarget, 'le'] : [...own, ...ofTarget]
}

describe('dashboard and alerts', () => {
  test('ask for metrics that the table has, by labels that these have', () => {
    const unknown = expressions.flatMap(([where, expr]) =>
      selectorsIn(expr)
        .filter(({ name }) => name.startsWith('modelward_'))
        .filter(
          ({ name, labels }) =>
            rowOf(name) === undefined || labels.some((label) => !labelsOf(name).includes(label)),
        )
        .map(({ name, labels }) => `${where}: ${name}{${labels}}`),
    )
    expect(unknown).toEqual([])
  })

  test('add up by labels that the metrics have', () => {
    const unknown = expressions.flatMap(([where, expr]) => {
      const known = new Set(selectorsIn(expr).flatMap(({ name }) => labelsOf(name)))
      return groupingsIn(expr)
        .filter((label) => !known.has(label))
        .map((label) => `${where}: ${label}`)
    })
    expect(unknown).toEqual([])
  })

  test('rates are of counters, and of nothing else', () => {
    const wrong = expressions.flatMap(([where, expr]) =>
      [...expr.matchAll(/(?:(rate|increase)\()?\b(modelward_[a-z0-9_]+)/g)]
        .filter(([, rate, name = '']) => {
          const isCounted = rowOf(name)?.type !== 'gauge'
          return (rate === undefined) === isCounted
        })
        .map(([text]) => `${where}: ${text}`),
    )
    expect(wrong).toEqual([])
  })
})

describe('deploy/grafana/modelward.json', () => {
  test('shows every metric of the table', () => {
    const shown = new Set(
      panels.flatMap(({ targets = [] }) =>
        targets.flatMap(({ expr }) => selectorsIn(expr).map(rowOfSelector)),
      ),
    )
    const rows = Object.entries<MetricRow>(metricsTable)
    expect(rows.filter(([, row]) => !shown.has(row)).map(([name]) => name)).toEqual([])
  })

  test('is what Grafana provisions: an id of its own, a schema, no id of a database', () => {
    expect(dashboard).toMatchObject({ uid: 'modelward', title: 'Modelward' })
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39)
    expect(dashboard.id).toBeUndefined()
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
  })

  test('asks whichever Prometheus is chosen', () => {
    expect(dashboard.templating.list[0]).toMatchObject({
      name: 'datasource',
      type: 'datasource',
      query: 'prometheus',
    })
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own variable.
    const chosen = { type: 'prometheus', uid: '${datasource}' }
    for (const { title, datasource, targets = [] } of panels) {
      expect([title, datasource]).toEqual([title, chosen])
      expect(targets.length).toBeGreaterThan(0)
      for (const target of targets) expect([title, target.datasource]).toEqual([title, chosen])
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length)
    }
    expect(dashboard.templating.list[1]).toMatchObject({
      name: 'instance',
      definition: 'label_values(modelward_build_info{job="modelward"}, instance)',
    })
    const all = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    expect(all.filter((expr) => !expr.includes('job="modelward",instance=~"$instance"'))).toEqual([])
  })

  test('has its rows in order, and no panel over another', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row')
    expect(rows.map(({ title }) => title)).toEqual([
      ...['Overview', 'Refusals', 'Latency', 'Ledger', 'Jobs', 'Process', 'Upstreams'],
    ])
    const taken = new Set<string>()
    for (const { title, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect([title, taken.has(`${x} ${y}`)]).toEqual([title, false])
          taken.add(`${x} ${y}`)
        }
      }
    }
  })

  test('is where its provisioning looks, with the Prometheus of the same file', () => {
    const folder = 'deploy/grafana/provisioning'
    const { providers } = parse(readFileSync(`${folder}/dashboards/modelward.yaml`, 'utf8'))
    const { datasources } = parse(readFileSync(`${folder}/datasources/prometheus.yaml`, 'utf8'))
    const { services } = parse(readFileSync('deploy/observe.compose.yaml', 'utf8'))
    const [, mounted = ''] =
      /modelward\.json:(\S+)\/modelward\.json:ro/.exec(services.grafana.volumes.join(' ')) ?? []
    expect(providers).toMatchObject([{ type: 'file', options: { path: mounted } }])
    expect(datasources).toMatchObject([
      { type: 'prometheus', url: 'http://prometheus:9090', isDefault: true },
    ])
    expect(services).toHaveProperty('prometheus')
  })
})

describe('deploy/prometheus/rules.yml', () => {
  test.each(rules)(
    '$alert says what is wrong, how bad it is, and where the guide says what to do',
    (rule) => {
      const { alert, labels, annotations } = rule
      expect(['critical', 'warning']).toContain(labels['severity'])
      expect(annotations['summary']).toMatch(/^.{20,}\.$/)
      expect(annotations['runbook']).toBe(`docs/guides/observe.md#${alert.toLowerCase()}`)
      expect(readGuide()).toContain(`\n### ${alert}\n`)
    },
  )

  test('has every alert that the guide explains, in its order', () => {
    const explained = [...readGuide().matchAll(/^### (Modelward\w+)$/gm)].map(([, name]) => name)
    expect(explained).toEqual(rules.map(({ alert }) => alert))
  })

  test('has an alert about faults whose section names each of them', () => {
    const [, section = ''] = /^### ModelwardFaults\n(.*?)^### /ms.exec(readGuide()) ?? []
    expect(Object.keys(faults).filter((code) => !section.includes(`\`${code}\``))).toEqual([])
  })

  test('has a unit test for each alert', () => {
    const tested = ['rules.yml', 'rules-of-a-day.yml'].map((file) =>
      readFileSync(`test/telemetry/${file}`, 'utf8'),
    )
    const names = [...tested.join('\n').matchAll(/- alertname: (\w+)/g)].map(([, name]) => name)
    expect(rules.map(({ alert }) => alert).filter((alert) => !names.includes(alert))).toEqual([])
  })
})

describe('deploy/observe.compose.yaml', () => {
  const { services, secrets, volumes } = parse(readFileSync('deploy/observe.compose.yaml', 'utf8'))

  test('mounts what is there, and takes privileges away', () => {
    for (const service of Object.values<Record<string, readonly string[]>>(services)) {
      expect(service).toMatchObject({ cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
      for (const volume of service['volumes'] ?? []) {
        const [from = ''] = volume.split(':')
        if (from.startsWith('./')) expect([from, existsSync(from)]).toEqual([from, true])
        else expect(volumes).toHaveProperty([from])
      }
    }
  })

  test('is published to this machine alone', () => {
    for (const { ports } of Object.values<{ readonly ports: readonly string[] }>(services))
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
  })

  test('has no key and no password: they are files that the guide makes', () => {
    for (const [name, { file }] of Object.entries<{ readonly file: string }>(secrets)) {
      expect(file).toBe(`./secrets/${name}`)
      expect(readGuide()).toContain(`secrets/${name}`)
    }
    const text = readFileSync('deploy/observe.compose.yaml', 'utf8')
    expect(text).not.toMatch(/\bmw_|PASSWORD: |password: /i)
  })

  test('has targets that compose.yaml has', () => {
    const { scrape_configs: jobs } = parse(readFileSync('deploy/prometheus/prometheus.yml', 'utf8'))
    const nodes = Object.keys(parse(readFileSync('compose.yaml', 'utf8')).services).filter((name) =>
      name.startsWith('node-'),
    )
    expect(jobs[0].static_configs[0].targets).toEqual(nodes.map((name) => `${name}:8000`))
    expect(jobs[0].authorization.credentials_file).toBe('/run/secrets/metrics-key')
  })
})

function rowOfSelector({ name }: { readonly name: string }): MetricRow | undefined {
  return rowOf(name)
}
