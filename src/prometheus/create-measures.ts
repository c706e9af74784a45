import type { Clock } from '../core/time.ts'
import type { Measures } from '../telemetry/measures.ts'
import { createFigures, type Figures } from './figures.ts'
import type { MetricValue } from './metric-value.ts'
import { type FigureMetric, type FigureRow, type MetricName, metricsTable } from './metrics-table.ts'
import { createRequestMeasures } from './request-measures.ts'
import { createSeriesBudget } from './series-budget.ts'
import { createUpstreamMeasures } from './upstream-measures.ts'
import { createWorkMeasures } from './work-measures.ts'

/**
 * What of the 5,000 series that all metrics may have is free for routes, models and upstreams; the
 * rest is for what has few and fixed series: events, figures, `other`, and the process itself.
 */
const labelledMax = 4_050
/** Neither routes nor models may take all of it: beside 190 routes four models have theirs. */
const ofRoutesMax = 3_800
const ofModelsMax = 2_600
/** Of upstreams, which the operator names: 30 of them in full. */
const ofUpstreamsMax = 900
/** Of their tokens: two kinds of some 100 models. */
const ofTokensMax = 200
/** What has few series that no client chooses. */
const ofOthersMax = 260

export type ReadMetric = () => readonly MetricValue[] | Promise<readonly MetricValue[]>

/** Numbers in this process's memory, and how they are read. */
export interface MeasuredNumbers {
  readonly measures: Measures
  readonly read: Readonly<Record<MetricName, ReadMetric>>
}

/**
 * Takes measures into typed arrays: counting a request costs some tens of nanoseconds, and nothing
 * is kept of it. Labels are closed: what a client chooses makes no series.
 *
 * @param build the values of the labels of `modelward_build_info`
 * @param clock milliseconds since the epoch
 */
export function createMeasures(
  build: Readonly<Record<'version' | 'node', string>>,
  clock: Clock = Date.now,
): MeasuredNumbers {
  const budget = createSeriesBudget(labelledMax)
  const requests = createRequestMeasures(createSeriesBudget(ofRoutesMax, budget), clock)
  const work = createWorkMeasures(createSeriesBudget(ofModelsMax, budget), createSeriesBudget(ofOthersMax))
  const upstreams = createUpstreamMeasures(
    createSeriesBudget(ofUpstreamsMax, budget),
    createSeriesBudget(ofTokensMax, budget),
  )
  const figures = createFigures()
  const read: Record<Exclude<MetricName, FigureMetric>, ReadMetric> = {
    ...requests.read,
    ...work.read,
    ...upstreams.read,
    modelward_build_info: () => [{ value: 1, labels: build }],
  }
  return {
    measures: {
      isOn: true,
      ...requests.measures,
      ...work.measures,
      ...upstreams.measures,
      figure: figures.figure,
    },
    read: { ...read, ...figuresOf(figures) },
  }
}

function figuresOf(figures: Figures): Record<FigureMetric, ReadMetric> {
  const rows = Object.entries(metricsTable).filter(
    (entry): entry is [string, FigureRow] => 'figure' in entry[1],
  )
  const reads = rows.map(([name, row]): [string, ReadMetric] => [name, () => figures.values(row)])
  return Object.fromEntries(reads) as Record<FigureMetric, ReadMetric>
}
