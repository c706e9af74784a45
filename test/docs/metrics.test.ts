import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatMetricsPage } from '../../scripts/metrics-page.ts'
import { createMeasures } from '../../src/prometheus/create-measures.ts'
import { metricsTable } from '../../src/prometheus/metrics-table.ts'
import { createPrometheus } from '../../src/prometheus/prometheus.ts'

test('docs/reference/metrics.md is the table of metrics', () => {
  expect(readFileSync('docs/reference/metrics.md', 'utf8')).toBe(formatMetricsPage())
})

test('a page has each metric of the table, and no other of ours', async () => {
  const { page } = createPrometheus({}, () => 0)
  const { text } = await page()
  const types = [...text.matchAll(/^# TYPE (modelward_\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
  expect(types).toEqual(Object.entries(metricsTable).map(([name, { type }]) => [name, type]))
  const { read } = createMeasures({ version: '', node: '' })
  expect(Object.keys(read).toSorted()).toEqual(Object.keys(metricsTable).toSorted())
})

test('names and units are as Prometheus wants them', () => {
  for (const [name, { type, help }] of Object.entries(metricsTable)) {
    expect(name.endsWith('_total'), name).toBe(type === 'counter')
    if (type === 'histogram') expect(name).toMatch(/_seconds$/)
    expect(help).toMatch(/^[A-Z0-9].*\.$/)
  }
})
