import { AggregatorRegistry } from 'prom-client'
import { expect, test } from 'vitest'
import { joinNumbers } from './join-numbers.ts'
import type { MetricNumbers } from './metric.ts'
import { createPrometheus } from './prometheus.ts'

/** What a process of its own load has. */
async function numbersOf(load: number): Promise<readonly MetricNumbers[]> {
  const { measures, numbers } = createPrometheus({}, () => 0)
  for (let sent = 0; sent < load; sent += 1) {
    measures.request({ route: `/${sent % 5}`, method: 'GET', status: 200, code: null, ms: sent })
    measures.modelCall('m', sent, sent % 2 === 0)
    measures.requestBegan()
  }
  measures.figure('jobs', () => ({ queued: load, running: 10 - load }))
  measures.figure('up', () => ({ keys: load % 2 }))
  measures.figure('disk_free', () => load)
  return numbers()
}

/** By metric and series; what Node says of its event loop may be no number between two pages. */
function seriesOf(numbers: readonly MetricNumbers[]): Readonly<Record<string, number>> {
  const steady = numbers.filter(({ name }) => !name.startsWith('nodejs_eventloop_lag'))
  return Object.fromEntries(
    steady.flatMap(({ name, values }) =>
      values.map(({ metricName = name, labels, value }) => [
        `${metricName} ${JSON.stringify(labels)}`,
        value,
      ]),
    ),
  )
}

test('numbers of several processes are as prom-client joins them', async () => {
  const each = await Promise.all([3, 0, 7, 4].map(numbersOf))
  const theirs = AggregatorRegistry.aggregate(each as never).getMetricsAsArray() as never as {
    readonly get: () => MetricNumbers
  }[]
  const joined = seriesOf(joinNumbers(each))
  expect(joined).toEqual(seriesOf(theirs.map((metric) => metric.get())))
  expect(Object.keys(joined).length).toBeGreaterThan(100)
  expect(joined).toMatchObject({
    'modelward_jobs {"status":"queued"}': 7,
    'modelward_disk_free_bytes {}': 0,
    'modelward_requests_in_flight {}': 14,
  })
})

test('a mean is that of all processes, without those that have none', () => {
  const of = (aggregator: string, value: number): readonly MetricNumbers[] => [
    { name: aggregator, help: 'h', type: 'gauge', aggregator, values: [{ value, labels: {} }] },
  ]
  const join = (aggregator: string, ...values: readonly number[]): readonly (number | undefined)[] =>
    joinNumbers(values.map((value) => of(aggregator, value))).flatMap(({ values }) =>
      values.map(({ value }) => value),
    )
  expect(join('average', 1, 2, 6)).toEqual([3])
  expect(join('average', Number.NaN, 2, 6)).toEqual([4])
  // As it comes in a message.
  expect(join('average', null as never, 2)).toEqual([2])
  expect(join('first', 5, 6)).toEqual([5])
  expect(join('omit', 5, 6)).toEqual([])
})

test('of the exemplars of one bucket the newest stays', () => {
  const numbers = (trace: string, timestamp: number): readonly MetricNumbers[] => [
    {
      name: 'h',
      help: 'h',
      type: 'histogram',
      aggregator: 'sum',
      values: [
        { value: 1, labels: { le: '1' }, exemplar: { labelSet: { trace_id: trace }, value: 1, timestamp } },
      ],
    },
  ]
  const [joined] = joinNumbers([numbers('a', 1), numbers('b', 3), numbers('c', 2)])
  expect(joined?.values).toMatchObject([{ value: 3, exemplar: { labelSet: { trace_id: 'b' } } }])
})

test('a time without the trace of a request joins one that has it', () => {
  const exemplar = { labelSet: { trace_id: 'a'.repeat(32) }, value: 1, timestamp: 2 }
  const numbersWith = (own: object): readonly MetricNumbers[] => [
    {
      name: 'times',
      help: 'Times.',
      type: 'histogram',
      aggregator: 'sum',
      values: [{ metricName: 'times_bucket', labels: { le: 1 }, value: 1, ...own }],
    } as never,
  ]
  for (const lacking of [{ exemplar: null }, {}])
    for (const each of [
      [numbersWith({ exemplar }), numbersWith(lacking)],
      [numbersWith(lacking), numbersWith({ exemplar })],
    ])
      expect(joinNumbers(each)).toMatchObject([{ values: [{ value: 2, exemplar }] }])
})
