import type { Measures, UpstreamOutcome } from '../telemetry/measures.ts'
import { type Counters, createCounters } from './counters.ts'
import { histogramsOf } from './histograms-of.ts'
import type { MetricValue } from './metric-value.ts'
import type { SeriesBudget } from './series-budget.ts'

/** Most upstreams that are named. */
const upstreamsMax = 100

/** Metrics about the model servers that calls are forwarded to. */
export type UpstreamMetric = 'modelward_upstream_requests_total' | 'modelward_upstream_first_byte_seconds'

export interface UpstreamMeasures {
  readonly measures: Pick<Measures, 'upstreamRequest' | 'upstreamFirstByte'>
  readonly read: Readonly<Record<UpstreamMetric, () => readonly MetricValue[]>>
}

export function createUpstreamMeasures(budget: SeriesBudget): UpstreamMeasures {
  const requests = new Map<UpstreamOutcome, Counters>()
  const firstBytes = histogramsOf('modelward_upstream_first_byte_seconds', upstreamsMax, budget)

  function countersOf(outcome: UpstreamOutcome): Counters {
    const known = requests.get(outcome)
    if (known !== undefined) return known
    const counters = createCounters({ label: 'upstream', valuesMax: upstreamsMax, budget })
    requests.set(outcome, counters)
    return counters
  }

  return {
    measures: {
      upstreamRequest: (upstream, outcome) => countersOf(outcome).add(upstream, 1),
      upstreamFirstByte: (upstream, ms) => firstBytes.observe(upstream, ms),
    },
    read: {
      modelward_upstream_requests_total: () =>
        [...requests].flatMap(([outcome, counters]) =>
          counters.values().map(({ value, labels }) => ({ value, labels: { ...labels, outcome } })),
        ),
      modelward_upstream_first_byte_seconds: firstBytes.values,
    },
  }
}
