import type { EventName } from './event-row.ts'

/**
 * A request whose answer is about to leave, or whose client has gone. Names no key, owner, path,
 * address or id: whatever a stranger may choose would be a figure without end.
 */
export interface MeasuredRequest {
  /** The route's pattern; null where no route answers. */
  readonly route: string | null
  readonly method: string | null
  /** HTTP status; null where it is not known, as of an upgrade to another protocol. */
  readonly status: number | null
  /** The code of the refusal or fault that it was answered with; null for an answer as asked. */
  readonly code: string | null
  /** Milliseconds from its head to its answer; null where they were not measured. */
  readonly ms: number | null
  /** The trace that tells of it; undefined where none does that is exported. */
  readonly traceId?: string | undefined
}

/** Where uses are counted: in this process's memory, or in Redis. */
export type LimiterBackend = 'memory' | 'redis'

/** How a try to deliver a webhook ended. */
export type WebhookOutcome = 'delivered' | 'failed' | 'gave_up'

/**
 * How a request to an upstream ended: whole, by its status, with a failure, or given up because its
 * client had left.
 */
export type UpstreamOutcome =
  | '2xx'
  | '3xx'
  | '4xx'
  | '5xx'
  | 'unreachable'
  | 'broken'
  | 'connect_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'total_timeout'
  | 'overloaded'
  | 'aborted'

/** What is not counted as it happens, but read when it is asked for. */
export type FigureName =
  | 'model_queue'
  | 'ledger_pending'
  | 'ledger_bytes'
  | 'ledger_checkpoint_age'
  | 'key_cache_entries'
  | 'key_cache_hits'
  | 'key_cache_misses'
  | 'key_sync_age'
  | 'keys_ending_soon'
  | 'disk_free'
  | 'jobs'
  | 'up'
  | 'upstream_open'

/** One number, or one for each value of the figure's label; undefined while it is not known. */
export type Figure = number | Readonly<Record<string, number>> | undefined

/** Reads a figure. One that rejects or takes long is left out. */
export type ReadFigure = () => Figure | Promise<Figure>

/** What a call was charged: what its upstream says it used, else an estimate or its reservation. */
export interface ChargedTokens {
  readonly prompt: number
  readonly completion: number
}

/**
 * Where numbers about requests and work go: the port through which every subject reports them.
 * Times are milliseconds, ages seconds. No method throws, waits, or keeps what it is given.
 */
export interface Measures {
  /** Whether anyone takes them. What costs time to measure is measured then alone. */
  readonly isOn: boolean
  /** A guarded request has come, and is in flight until `ended`. */
  readonly requestBegan: () => void
  /** A request that began has been answered, or is gone. */
  readonly requestEnded: () => void
  /** A request was answered, guarded or not. */
  readonly request: (request: MeasuredRequest) => void
  /** The guard has decided about a request, or failed to. */
  readonly guard: (ms: number) => void
  /** What an answered request, or work behind it, has used of a measure. */
  readonly used: (measure: string, model: string | undefined, amount: number) => void
  /** A model has answered a call, or failed to. */
  readonly modelCall: (model: string, ms: number, hasFailed: boolean) => void
  /** A commit of the ledger is durable. */
  readonly ledgerCommit: (ms: number, records: number) => void
  /** The limits of a request were taken, refused, or could not be. */
  readonly limiterTake: (backend: LimiterBackend, ms: number) => void
  /** A limiter could not take, settle, look or reset. */
  readonly limiterFailed: (backend: LimiterBackend) => void
  /** A job has begun for the first time. */
  readonly jobBegan: (model: string, waitMs: number) => void
  /** A job has ended: the time since it began. */
  readonly jobEnded: (model: string, ms: number) => void
  readonly webhookAttempt: (outcome: WebhookOutcome) => void
  /** A request to an upstream has ended. @param upstream its name in the configuration */
  readonly upstreamRequest: (upstream: string, outcome: UpstreamOutcome) => void
  /** The first byte of an answer's body has come from an upstream. */
  readonly upstreamFirstByte: (upstream: string, ms: number) => void
  /** A call of an upstream was charged. @param model its public name */
  readonly upstreamTokens: (upstream: string, model: string, tokens: ChargedTokens) => void
  readonly event: (name: EventName) => void
  /** Has a figure read from now on. @returns what ends that */
  readonly figure: (name: FigureName, read: ReadFigure) => () => void
}

function ignore(): void {}

/** Takes none. */
export const noMeasures: Measures = {
  isOn: false,
  requestBegan: ignore,
  requestEnded: ignore,
  request: ignore,
  guard: ignore,
  used: ignore,
  modelCall: ignore,
  ledgerCommit: ignore,
  limiterTake: ignore,
  limiterFailed: ignore,
  jobBegan: ignore,
  jobEnded: ignore,
  webhookAttempt: ignore,
  upstreamRequest: ignore,
  upstreamFirstByte: ignore,
  upstreamTokens: ignore,
  event: ignore,
  figure: () => ignore,
}
