import { createClosedNames } from '../core/closed-names.ts'
import type { Clock } from '../core/time.ts'
import type { MeasuredRequest, Measures } from '../telemetry/measures.ts'
import { isTraceId } from '../telemetry/trace-context.ts'
import type { Traced } from './histograms.ts'
import { histogramsOf } from './histograms-of.ts'
import { type MetricValue, noLabels } from './metric-value.ts'
import { createRequestCounts } from './request-counts.ts'
import type { SeriesBudget } from './series-budget.ts'

/** Most routes that are named. */
const routesMax = 200

/** Metrics about requests. */
export type RequestMetric =
  | 'modelward_requests_total'
  | 'modelward_request_duration_seconds'
  | 'modelward_guard_duration_seconds'
  | 'modelward_requests_in_flight'

export interface RequestMeasures {
  readonly measures: Pick<Measures, 'requestBegan' | 'requestEnded' | 'request' | 'guard'>
  readonly read: Readonly<Record<RequestMetric, () => readonly MetricValue[]>>
}

/** @param clock by which exemplars say when they were */
export function createRequestMeasures(budget: SeriesBudget, clock: Clock): RequestMeasures {
  const routeOf = createClosedNames(routesMax)
  const counts = createRequestCounts(budget)
  const times = histogramsOf('modelward_request_duration_seconds', routesMax, budget)
  const guardTimes = histogramsOf('modelward_guard_duration_seconds', 1, budget)
  let inFlight = 0

  function tracedOf({ traceId }: MeasuredRequest): Traced | undefined {
    // What an app's own tracing says could be any text.
    return traceId === undefined || !isTraceId(traceId) ? undefined : { traceId, at: clock() }
  }

  return {
    measures: {
      requestBegan() {
        inFlight += 1
      },
      requestEnded() {
        inFlight -= 1
      },
      request(request) {
        const route = routeOf(request.route ?? '')
        counts.add(route, request)
        if (request.ms !== null) times.observe(route, request.ms, tracedOf(request))
      },
      guard: (ms) => guardTimes.observe('', ms),
    },
    read: {
      modelward_requests_total: counts.values,
      modelward_request_duration_seconds: times.values,
      modelward_guard_duration_seconds: guardTimes.values,
      modelward_requests_in_flight: () => [{ value: inFlight, labels: noLabels }],
    },
  }
}
