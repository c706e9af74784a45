import type { Measures, UpstreamOutcome } from '../telemetry/measures.ts'
import { type Counters, createCounters } from './counters.ts'
import { histogramsOf } from './histograms-of.ts'
import { type Labels, type MetricValue, otherLabel } from './metric-value.ts'
import type { SeriesBudget } from './series-budget.ts'

/** Most upstreams that are named. */
const upstreamsMax = 100
/** No name of an upstream has it. */
const separator = '\n'

/** Metrics about the model servers that calls are forwarded to. */
export type UpstreamMetric =
  | 'modelward_upstream_requests_total'
  | 'modelward_upstream_first_byte_seconds'
  | 'modelward_tokens_total'

export interface UpstreamMeasures {
  readonly measures: Pick<Measures, 'upstreamRequest' | 'upstreamFirstByte' | 'upstreamTokens'>
  readonly read: Readonly<Record<UpstreamMetric, () => readonly MetricValue[]>>
}

/** @param ofTokens for upstream, model and kind: the models are the operator's or the upstream's */
export function createUpstreamMeasures(budget: SeriesBudget, ofTokens: SeriesBudget): UpstreamMeasures {
  const requests = new Map<UpstreamOutcome, Counters>()
  const firstBytes = histogramsOf('modelward_upstream_first_byte_seconds', upstreamsMax, budget)

  const tokens = createCounters({ label: 'of', valuesMax: Number.POSITIVE_INFINITY, budget: ofTokens })

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
      upstreamTokens(upstream, model, { prompt, completion }) {
        if (prompt > 0) tokens.add([upstream, 'prompt', model].join(separator), prompt)
        if (completion > 0) tokens.add([upstream, 'completion', model].join(separator), completion)
      },
    },
    read: {
      modelward_upstream_requests_total: () =>
        [...requests].flatMap(([outcome, counters]) =>
          counters.values().map(({ value, labels }) => ({ value, labels: { ...labels, outcome } })),
        ),
      modelward_upstream_first_byte_seconds: firstBytes.values,
      modelward_tokens_total: () =>
        tokens.values().map(({ value, labels }) => ({ value, labels: tokenLabels(String(labels['of'])) })),
    },
  }
}

function tokenLabels(of: string): Labels {
  const [upstream = otherLabel, kind = otherLabel, ...model] = of.split(separator)
  return { upstream, model: model.length === 0 ? otherLabel : model.join(separator), kind }
}
