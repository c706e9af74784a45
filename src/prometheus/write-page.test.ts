import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import type { MetricNumbers } from './metric.ts'
import { createPrometheus, type PrometheusListener, prometheus } from './prometheus.ts'
import { type PageFormat, writePage } from './write-page.ts'

/** As many series as there may be, most of them of one histogram. */
function fill({ measures }: PrometheusListener): void {
  for (let route = 0; route < 300; route += 1)
    for (const status of [200, 400, 503])
      measures.request({ route: `/r/${route}`, method: 'GET', status, code: null, ms: route })
  for (let model = 0; model < 100; model += 1) measures.modelCall(`m${model}`, model, true)
}

/** How often the event loop turns while this is done. */
async function countTurns<T>(work: () => Promise<T>): Promise<{ readonly turns: number; readonly done: T }> {
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns += 1
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const done = await work()
  isOver = true
  return { turns, done }
}

const ofOurs = (page: string): string => page.slice(0, page.indexOf('# HELP process_'))

describe('a page of as many series as there may be', () => {
  test('is written in many turns of the event loop, in which requests are answered', async () => {
    const metrics = createPrometheus({}, () => 0)
    fill(metrics)
    await metrics.open()
    const { turns, done } = await countTurns(() => metrics.page())
    const series = done.text.split('\n').filter((line) => line.startsWith('modelward_')).length
    expect(series).toBeGreaterThan(3_500)
    expect(turns).toBeGreaterThanOrEqual(Math.floor(series / 250))
  })

  test('is written once for two scrapes at the same time', async () => {
    const metrics = createPrometheus({}, () => 0)
    fill(metrics)
    await metrics.open()
    const one = await countTurns(() => metrics.page('text/plain'))
    const both = createPrometheus({}, () => 0)
    fill(both)
    const two = await countTurns(() => Promise.all([both.page('text/plain'), both.page('text/plain')]))
    expect(two.done[0]).toBe(two.done[1])
    expect(two.turns).toBeLessThanOrEqual(one.turns + 1)
  })

  test('has no piece of more than 250 series, and leaves none out', async () => {
    const values = Array.from({ length: 3_333 }, (_, value) => ({ value, labels: { at: `${value}` } }))
    const metric = (name: string, of: MetricNumbers['values']): MetricNumbers => ({
      name,
      help: 'h',
      type: 'gauge',
      aggregator: 'sum',
      values: of,
    })
    const all = [metric('none', []), metric('a', values), metric('b', values.slice(0, 40))]
    const pieces: number[] = []
    const page = await writePage(all, 'text', async (numbers) => {
      pieces.push(numbers.values.length)
      return [
        `# HELP ${numbers.name} h`,
        `# TYPE ${numbers.name} gauge`,
        ...numbers.values.map(({ value }) => `${numbers.name} ${value}`),
      ].join('\n')
    })
    expect(Math.max(...pieces)).toBe(250)
    expect(page.split('\n').filter((line) => line.startsWith('# HELP'))).toHaveLength(3)
    const written = page.split('\n').filter((line) => /^[ab] /.test(line))
    expect(written).toEqual(
      [...values, ...values.slice(0, 40)].map(({ value }, at) => `${at < 3_333 ? 'a' : 'b'} ${value}`),
    )
  })

  test.each<PageFormat>(['text', 'openmetrics'])(
    'is, as %s, what prom-client writes in one piece',
    async (format) => {
      const type = format === 'text' ? Registry.PROMETHEUS_CONTENT_TYPE : Registry.OPENMETRICS_CONTENT_TYPE
      const register = new Registry()
      register.setContentType(type as never)
      const theirs = prometheus({ register: register as never })
      fill(theirs)
      const ours = createPrometheus({}, () => 0)
      fill(ours)
      const { text } = await ours.page(format === 'text' ? 'text/plain' : 'application/openmetrics-text')
      const whole = await register.metrics()
      expect(ofOurs(text).trimEnd()).toBe(whole.replace(/# EOF\n$/, '').trimEnd())
    },
  )
})
