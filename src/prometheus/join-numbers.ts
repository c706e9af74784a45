import type { MetricNumbers } from './metric.ts'
import type { MetricValue } from './metric-value.ts'

/** How a number of one process joins that of others; prom-client's own metrics name some too. */
const operations: Readonly<Record<string, (one: number, other: number, before: number) => number>> = {
  sum: (one, other) => one + other,
  max: (one, other) => Math.max(one, other),
  min: (one, other) => Math.min(one, other),
  average: (one, other, before) => (one * before + other) / (before + 1),
  first: (one) => one,
}

interface JoinedSeries {
  readonly value: MetricValue
  readonly processes: number
}

interface JoinedMetric {
  readonly of: MetricNumbers
  readonly series: Map<string, JoinedSeries>
}

/**
 * The numbers of several processes as those of one: one of each metric, and of each series. What is
 * no number just now, as the mean of no events, says nothing: messages between processes could not
 * carry it either.
 */
export function joinNumbers(each: readonly (readonly MetricNumbers[])[]): readonly MetricNumbers[] {
  const metrics = new Map<string, JoinedMetric>()
  for (const of of each.flat()) {
    if (of.aggregator === 'omit') continue
    const joined = metrics.get(of.name) ?? { of, series: new Map() }
    metrics.set(of.name, joined)
    for (const value of of.values) if (Number.isFinite(value.value)) add(joined, value)
  }
  return [...metrics.values()].map(({ of, series }) => ({
    ...of,
    values: [...series.values()].map(({ value }) => value),
  }))
}

function add({ of, series }: JoinedMetric, value: MetricValue): void {
  const key = JSON.stringify([value.metricName, value.labels])
  const before = series.get(key)
  if (before === undefined) {
    series.set(key, { value, processes: 1 })
    return
  }
  const operation = operations[of.aggregator] ?? operations['first']
  const joined = operation?.(before.value.value, value.value, before.processes) ?? value.value
  const exemplar = newest(before.value.exemplar, value.exemplar)
  series.set(key, { value: { ...value, value: joined, exemplar }, processes: before.processes + 1 })
}

type Exemplar = MetricValue['exemplar']

/** None is null where a message between processes has carried it, as JSON. */
function newest(one: Exemplar | null, other: Exemplar | null): Exemplar {
  if (one === undefined || one === null) return other ?? undefined
  if (other === undefined || other === null) return one
  return other.timestamp > one.timestamp ? other : one
}
