import { createHistograms, type Histograms } from './histograms.ts'
import { type HistogramMetric, metricsTable } from './metrics-table.ts'
import type { SeriesBudget } from './series-budget.ts'

/** The histograms of a row of the table. */
export function histogramsOf(name: HistogramMetric, valuesMax: number, budget: SeriesBudget): Histograms {
  const { buckets, labels } = metricsTable[name]
  return createHistograms({ name, buckets, label: labels[0], valuesMax, budget })
}
