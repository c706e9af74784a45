import type { FigureName } from '../telemetry/measures.ts'

/** One metric of ours: a row of the closed table. */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
  /**
   * What several processes, or several deployments of one process, make together. Each process of a
   * fleet says the same of what the database holds: its largest.
   * @default 'sum'
   */
  readonly together?: 'sum' | 'max' | 'min'
}

/** A metric of times. */
export interface HistogramRow extends MetricRow {
  readonly type: 'histogram'
  /** Upper bounds, in seconds. */
  readonly buckets: readonly number[]
}

/** A metric that is read when asked for, and not counted. */
export interface FigureRow extends MetricRow {
  readonly figure: FigureName
}

export type HistogramMetric =
  | `modelward_${'request' | 'guard' | 'model' | 'ledger_commit' | 'limiter' | 'job'}_duration_seconds`
  | 'modelward_job_wait_seconds'
  | 'modelward_upstream_first_byte_seconds'

export type FigureMetric = `modelward_${
  | 'model_queue'
  | 'ledger_pending'
  | 'ledger_bytes'
  | 'ledger_checkpoint_age_seconds'
  | 'key_cache_entries'
  | 'key_cache_hits_total'
  | 'key_cache_misses_total'
  | 'key_sync_age_seconds'
  | 'keys_ending_soon'
  | 'disk_free_bytes'
  | 'jobs'
  | 'up'
  | 'upstream_open'}`

export type CountedMetric = `modelward_${
  | 'requests_total'
  | 'requests_in_flight'
  | 'measures_total'
  | 'model_errors_total'
  | 'ledger_records_total'
  | 'limiter_errors_total'
  | 'webhook_attempts_total'
  | 'tokens_total'
  | 'upstream_requests_total'
  | 'events_total'
  | 'build_info'}`

export type MetricName = HistogramMetric | FigureMetric | CountedMetric

export type MetricsTable = Readonly<Record<HistogramMetric, HistogramRow>> &
  Readonly<Record<FigureMetric, FigureRow>> &
  Readonly<Record<CountedMetric, MetricRow>>

const requestSeconds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]
const guardSeconds = [
  0.000001, 0.0000025, 0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
  0.01, 0.025, 0.05, 0.1,
]
const modelSeconds = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]
const commitSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
const limiterSeconds = [0.000001, 0.00001, 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25]
const firstByteSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const jobSeconds = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400]

/** Every metric, by its name. `docs/reference/metrics.md` is made of it. */
export const metricsTable: MetricsTable = {
  modelward_requests_total: {
    type: 'counter',
    labels: ['route', 'method', 'status', 'code'],
    help: 'Answered requests. `code` is the refusal or the fault, and empty where the request was answered as asked. `route` is the pattern of the route, empty where none answers.',
  },
  modelward_request_duration_seconds: {
    type: 'histogram',
    labels: ['route'],
    buckets: requestSeconds,
    help: 'Time from the head of a request until its answer may leave: guard, body, model and record.',
  },
  modelward_guard_duration_seconds: {
    type: 'histogram',
    labels: [],
    buckets: guardSeconds,
    help: 'Time in which the guard decided about a request, its look-ups of keys and limits included.',
  },
  modelward_requests_in_flight: {
    type: 'gauge',
    labels: [],
    help: 'Guarded requests that are not answered yet.',
  },
  modelward_measures_total: {
    type: 'counter',
    labels: ['measure', 'model'],
    help: 'What admitted requests and jobs used, as their records say: `requests` that are billed, `characters`, `tokens` and others.',
  },
  modelward_model_duration_seconds: {
    type: 'histogram',
    labels: ['model'],
    buckets: modelSeconds,
    help: 'Time of a call to a model, its wait for a thread included.',
  },
  modelward_model_errors_total: {
    type: 'counter',
    labels: ['model'],
    help: 'Calls that a model failed: errors, deadlines, and overload. An input that it refuses is no failure.',
  },
  modelward_model_queue: {
    type: 'gauge',
    labels: ['model'],
    figure: 'model_queue',
    help: 'Inputs that wait for a thread or a process of the model.',
  },
  modelward_ledger_commit_duration_seconds: {
    type: 'histogram',
    labels: [],
    buckets: commitSeconds,
    help: 'Time of a commit of records, until the disk or the database has it.',
  },
  modelward_ledger_records_total: {
    type: 'counter',
    labels: [],
    help: 'Records that are durable.',
  },
  modelward_ledger_pending: {
    type: 'gauge',
    labels: [],
    figure: 'ledger_pending',
    help: 'Records that wait for their commit; their answers wait with them.',
  },
  modelward_ledger_bytes: {
    type: 'gauge',
    labels: [],
    figure: 'ledger_bytes',
    together: 'max',
    help: 'Bytes of the file or the tables that hold the records.',
  },
  modelward_ledger_checkpoint_age_seconds: {
    type: 'gauge',
    labels: [],
    figure: 'ledger_checkpoint_age',
    together: 'max',
    help: 'Time since the last signed checkpoint; 0 where it covers all records.',
  },
  modelward_key_cache_entries: {
    type: 'gauge',
    labels: [],
    figure: 'key_cache_entries',
    help: 'Verified keys in memory.',
  },
  modelward_key_cache_hits_total: {
    type: 'counter',
    labels: [],
    figure: 'key_cache_hits',
    help: 'Requests whose key was in memory.',
  },
  modelward_key_cache_misses_total: {
    type: 'counter',
    labels: [],
    figure: 'key_cache_misses',
    help: 'Requests whose key had to be looked up: new, wrong, changed, or longer ago.',
  },
  modelward_key_sync_age_seconds: {
    type: 'gauge',
    labels: [],
    figure: 'key_sync_age',
    together: 'max',
    help: 'How old the newest word about revocations is. Beyond five seconds no key in memory is trusted.',
  },
  modelward_keys_ending_soon: {
    type: 'gauge',
    labels: [],
    figure: 'keys_ending_soon',
    together: 'max',
    help: 'Keys that work and end within seven days, counted once an hour; 500 stands for more.',
  },
  modelward_disk_free_bytes: {
    type: 'gauge',
    labels: [],
    figure: 'disk_free',
    together: 'min',
    help: 'Bytes that are free on the disk of the data folder. A fleet has none.',
  },
  modelward_limiter_duration_seconds: {
    type: 'histogram',
    labels: ['backend'],
    buckets: limiterSeconds,
    help: 'Time to take the limits of a request: `memory` or `redis`.',
  },
  modelward_limiter_errors_total: {
    type: 'counter',
    labels: ['backend'],
    help: 'Calls of the limiter that failed, to take, to settle, to look or to reset: `memory` or `redis`.',
  },
  modelward_jobs: {
    type: 'gauge',
    labels: ['status'],
    figure: 'jobs',
    together: 'max',
    help: 'Jobs that wait for a worker (`queued`) or for their next attempt (`retrying`), that run, that have failed for good and that are dead; of `retrying`, `failed` and `dead` 1,000 stands for more. A fleet has one queue: each node says the same.',
  },
  modelward_job_duration_seconds: {
    type: 'histogram',
    labels: ['model'],
    buckets: jobSeconds,
    help: 'Time from the beginning of a job’s last attempt until its end.',
  },
  modelward_job_wait_seconds: {
    type: 'histogram',
    labels: ['model'],
    buckets: jobSeconds,
    help: 'Time from the submission of a job until its first attempt.',
  },
  modelward_webhook_attempts_total: {
    type: 'counter',
    labels: ['outcome'],
    help: 'Tries to deliver a webhook: `delivered`, `failed` and to be tried again, or `gave_up`.',
  },
  modelward_upstream_requests_total: {
    type: 'counter',
    labels: ['upstream', 'outcome'],
    help: 'Requests that calls made to an upstream, by how they ended: whole, with `2xx`, `3xx`, `4xx` or `5xx`; `unreachable`, `broken`, `connect_timeout`, `first_byte_timeout`, `idle_timeout`, `total_timeout`; `overloaded`, not sent because too many were open; `aborted` where the client left.',
  },
  modelward_upstream_first_byte_seconds: {
    type: 'histogram',
    labels: ['upstream'],
    buckets: firstByteSeconds,
    help: 'Time from a request to an upstream until the first byte of its answer’s body.',
  },
  modelward_tokens_total: {
    type: 'counter',
    labels: ['upstream', 'model', 'kind'],
    help: 'Tokens that calls of an upstream were charged, `prompt` or `completion`: what it says they used, else what their records say; of a job, for each attempt.',
  },
  modelward_upstream_open: {
    type: 'gauge',
    labels: ['upstream'],
    figure: 'upstream_open',
    together: 'max',
    help: '1 while an upstream is left alone because it failed, else 0.',
  },
  modelward_events_total: {
    type: 'counter',
    labels: ['event'],
    help: 'Operational events, by their names in docs/reference/events.md; 0 before there is one.',
  },
  modelward_up: {
    type: 'gauge',
    labels: ['dependency'],
    figure: 'up',
    together: 'min',
    help: '1 while `keys`, `ledger`, `limits`, `jobs` and the model `model:NAME` can be used, else 0.',
  },
  modelward_build_info: {
    type: 'gauge',
    labels: ['version', 'node'],
    together: 'max',
    help: 'Always 1: the versions of Modelward and of Node.',
  },
}
