import { events as eventRows } from '../telemetry/events.ts'
import type { Measures } from '../telemetry/measures.ts'
import { createCounters } from './counters.ts'
import { histogramsOf } from './histograms-of.ts'
import { type MetricValue, noLabels } from './metric-value.ts'
import type { SeriesBudget } from './series-budget.ts'
import { createUsedMeasures } from './used-measures.ts'

/** Most models that are named. */
const modelsMax = 100
/** More than there are events: each is a series of its own. */
const eventsMax = 200

/** Metrics about the work behind requests. */
export type WorkMetric =
  | 'modelward_measures_total'
  | `modelward_model_${'duration_seconds' | 'errors_total'}`
  | `modelward_ledger_${'commit_duration_seconds' | 'records_total'}`
  | `modelward_limiter_${'duration_seconds' | 'errors_total'}`
  | `modelward_job_${'duration_seconds' | 'wait_seconds'}`
  | 'modelward_webhook_attempts_total'
  | 'modelward_events_total'

export interface WorkMeasures {
  readonly measures: Pick<
    Measures,
    | 'used'
    | 'modelCall'
    | 'ledgerCommit'
    | 'limiterTake'
    | 'limiterFailed'
    | 'jobBegan'
    | 'jobEnded'
    | 'webhookAttempt'
    | 'event'
  >
  readonly read: Readonly<Record<WorkMetric, () => readonly MetricValue[]>>
}

/**
 * Events are there at 0 from the start, a counter of failures from the first call on: a rate does
 * not see the first of a series that begins with it.
 *
 * @param others of what has few series, whichever models there are
 */
export function createWorkMeasures(ofModels: SeriesBudget, others: SeriesBudget): WorkMeasures {
  const used = createUsedMeasures(modelsMax, ofModels)
  const modelTimes = histogramsOf('modelward_model_duration_seconds', modelsMax, ofModels)
  const modelErrors = createCounters({ label: 'model', valuesMax: modelsMax, budget: ofModels })
  const commitTimes = histogramsOf('modelward_ledger_commit_duration_seconds', 1, others)
  const limiterTimes = histogramsOf('modelward_limiter_duration_seconds', 2, others)
  const limiterErrors = createCounters({ label: 'backend', valuesMax: 2, budget: others })
  const jobTimes = histogramsOf('modelward_job_duration_seconds', modelsMax, ofModels)
  const jobWaits = histogramsOf('modelward_job_wait_seconds', modelsMax, ofModels)
  const webhooks = createCounters({ label: 'outcome', valuesMax: 3, budget: others })
  const events = createCounters({ label: 'event', valuesMax: eventsMax, budget: others })
  for (const name in eventRows) events.add(name, 0)
  let records = 0
  return {
    measures: {
      used: used.add,
      modelCall(model, ms, hasFailed) {
        modelTimes.observe(model, ms)
        modelErrors.add(model, hasFailed ? 1 : 0)
      },
      ledgerCommit(ms, count) {
        commitTimes.observe('', ms)
        records += count
      },
      limiterTake(backend, ms) {
        limiterTimes.observe(backend, ms)
        limiterErrors.add(backend, 0)
      },
      limiterFailed: (backend) => limiterErrors.add(backend, 1),
      jobBegan: (model, waitMs) => jobWaits.observe(model, waitMs),
      jobEnded: (model, ms) => jobTimes.observe(model, ms),
      webhookAttempt: (outcome) => webhooks.add(outcome, 1),
      event: (name) => events.add(name, 1),
    },
    read: {
      modelward_measures_total: used.values,
      modelward_model_duration_seconds: modelTimes.values,
      modelward_model_errors_total: modelErrors.values,
      modelward_ledger_commit_duration_seconds: commitTimes.values,
      modelward_ledger_records_total: () => [{ value: records, labels: noLabels }],
      modelward_limiter_duration_seconds: limiterTimes.values,
      modelward_limiter_errors_total: limiterErrors.values,
      modelward_job_duration_seconds: jobTimes.values,
      modelward_job_wait_seconds: jobWaits.values,
      modelward_webhook_attempts_total: webhooks.values,
      modelward_events_total: events.values,
    },
  }
}
