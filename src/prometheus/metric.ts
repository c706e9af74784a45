import type { MetricValue } from './metric-value.ts'
import { type MetricName, type MetricRow, metricsTable } from './metrics-table.ts'

/** A metric and its numbers at a moment, as prom-client hands them on. */
export interface MetricNumbers {
  readonly name: string
  readonly help: string
  readonly type: string
  /** How prom-client joins the numbers of several processes. */
  readonly aggregator: string
  readonly values: readonly MetricValue[]
}

/** What a registry of prom-client asks of a metric. */
export interface RegisteredMetric {
  /** A registry of OpenMetrics takes `_total` off it, and writes it behind each series itself. */
  name: string
  readonly help: string
  readonly type: string
  readonly aggregator: string
  /** Its numbers now, the labels of each series in one. */
  readonly get: () => Promise<MetricNumbers>
  /** The same for a text, which keeps what it has written of shared labels. */
  readonly getForPromString: () => Promise<MetricNumbers>
  /** Does nothing: what was counted stays counted. */
  readonly reset: () => void
}

export type ReadValues = () => readonly MetricValue[] | Promise<readonly MetricValue[]>

/** Our metrics, whose numbers are read when a registry collects them. */
export function registeredMetrics(
  read: Readonly<Record<MetricName, ReadValues>>,
): readonly RegisteredMetric[] {
  const rows: readonly (readonly [string, MetricRow])[] = Object.entries(metricsTable)
  return rows.map(([name, row]) => registeredMetric(name, row, read[name as MetricName]))
}

function registeredMetric(
  named: string,
  { help, type, together: aggregator = 'sum' }: MetricRow,
  read: ReadValues,
): RegisteredMetric {
  const metric: RegisteredMetric = {
    ...{ name: named, help, type, aggregator },
    async get() {
      const numbers = await metric.getForPromString()
      return { ...numbers, values: numbers.values.map(withOwnLabels) }
    },
    async getForPromString() {
      return { name: metric.name, help, type, aggregator, values: await read() }
    },
    reset() {},
  }
  return metric
}

function withOwnLabels({ sharedLabels, labels, ...rest }: MetricValue): MetricValue {
  return { ...rest, labels: { ...sharedLabels, ...labels } }
}
