import type { DeploymentSecrets } from '../config/secret-settings.ts'
import type { DeploymentOptions } from '../config/settings.ts'
import type { Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import type { GatewaySettings } from '../gateway/gateway-settings.ts'
import type { LedgerCheckpoint } from '../ledger/format/checkpoint.ts'
import type { Model } from '../models/model.ts'
import type { Gathered, GatherNumbers } from '../prometheus/prometheus.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import type { FirstKeysReport, FirstKeysTarget } from './first-keys.ts'
import type { UpstreamsAtStart } from './gateway/view-start.ts'
import type { LogStream } from './http/log.ts'

/** Secrets that the environment gives. @default the data folder's own */
type GivenSecrets = { readonly [Name in keyof DeploymentSecrets]?: DeploymentSecrets[Name] }

/** What a server is started with: the deployment's settings, and what no setting says. */
export interface ServerOptions extends DeploymentOptions, GivenSecrets {
  /** Models in place of the setting `model`: paths of modules, or inline models themselves. */
  readonly servedModels?: readonly (string | Model<never>)[]
  /** The guard in front of model servers. @default none */
  readonly gateway?: GatewaySettings | undefined
  /**
   * Where the texts of the keys go that are made for an empty store; `report`: to `onFirstKeys`.
   * @default 'file'
   */
  readonly firstKeys?: FirstKeysTarget
  /** Called once, when the server listens and the first keys exist. */
  readonly onFirstKeys?: (report: FirstKeysReport) => void
  /** Called with every signed checkpoint: stored elsewhere, it reveals a cut-off end. */
  readonly onCheckpoint?: ((checkpoint: LedgerCheckpoint) => void) | undefined
  /** Where log lines go. @default standard error */
  readonly logStream?: LogStream
  /** Asks the other processes of `--workers` for their metrics. @default this one is alone */
  readonly gatherMetrics?: GatherNumbers | undefined
  /** Gets spans. @default the collector that the environment names, if any */
  readonly tracing?: Tracing | undefined
  /** @default Date.now */
  readonly clock?: Clock
  /** Never jumps: limits and leases run by it. @default performance.now */
  readonly monotonic?: Clock
  /** Runs the timers of the ward and its jobs. @default the process's own timers */
  readonly scheduler?: Scheduler
}

/** A server that answers. */
export interface RunningServer {
  /** `http://127.0.0.1:8000`, with the port it really has. */
  readonly address: string
  /** The model servers behind it, and how they stand; undefined where it has none. */
  readonly upstreams: (() => Promise<UpstreamsAtStart>) | undefined
  /**
   * Answers `/ready` with 503 and serves all else until the delay is over. Then accepts no more
   * connections and starts no more jobs. Requests and jobs under way may finish within the grace;
   * then requests are cut off and jobs handed back. Closes the storage and the models. Resolves
   * when all is closed, or a disk that does not answer was given up; a second call waits for the
   * same.
   *
   * @param options `drain: false` skips the delay, for a server that no balancer knows yet
   */
  readonly close: (options?: { readonly drain?: boolean }) => Promise<void>
  /** What it tells another process that gathers metrics; undefined where none are taken. */
  readonly metrics: Gathered['numbers'] | undefined
  /** Whether the disk has stopped answering: this process then cannot end by itself. */
  readonly isStalled: () => boolean
}
