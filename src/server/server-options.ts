import type { Clock } from '../core/time.ts'
import type { KeyEnvironment } from '../keys/key-text.ts'
import type { LedgerCheckpoint } from '../ledger/format/checkpoint.ts'
import type { Model } from '../models/model.ts'
import type { FirstKeysReport } from './first-keys.ts'
import type { LogLevel, LogStream } from './http/log.ts'

/** What the routes and the HTTP server need to know, wherever the keys are kept. */
export interface AppOptions {
  /** The header that carries the key under the scheme `header`; it is never logged. */
  readonly keyHeader: string
  /** CIDR blocks of the proxies whose `X-Forwarded-…` headers are believed; empty: nobody's. */
  readonly trustProxy: readonly string[]
  /** Largest request body; larger ones are answered 413. */
  readonly bodyBytesMax: number
  /** Largest request body of a batch. */
  readonly batchBodyBytesMax: number
  /** Largest request head; larger ones are answered 431. */
  readonly headerBytesMax: number
  /** Most characters (Unicode code points) of a text to predict. */
  readonly textLengthMax: number
  /** How long a client may take to send a whole request; then the answer is 408. */
  readonly requestTimeoutMs: number
  /** Who may read `/docs` and `/openapi.json`: whoever has a key, or anyone. */
  readonly docs: 'guarded' | 'open'
  /** Origins whose pages may call the server; empty: CORS is off. */
  readonly corsOrigins: readonly string[]
  readonly logLevel: LogLevel
  /** Whether every request leaves a line in the log; faults always do. */
  readonly logRequests: boolean
  /** Where log lines go. @default standard error */
  readonly logStream?: LogStream
}

export interface ServerOptions extends AppOptions {
  /** Path of the data folder, created where there is none. */
  readonly data: string
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  readonly environment: KeyEnvironment
  readonly keyPrefix: string
  /** Where a key may travel. */
  readonly schemes: readonly ('header' | 'bearer')[]
  readonly realm: string
  readonly invalidKeyStatus: 401 | 403
  readonly cachedKeysMax: number
  /** Limits of every key that has none of its own, each in its shortest form. */
  readonly limitDefault: readonly string[]
  /** Limits that all requests of the server share, each in its shortest form. */
  readonly limitEveryone: readonly string[]
  /** How many wrong keys may come from one address: a window of requests in its shortest form, or `none`. */
  readonly limitBadKeys: string
  /** Whether a record is durable before its answer leaves, or written when it can be. */
  readonly ledgerMode: 'before' | 'after'
  /** How client addresses are recorded. */
  readonly ledgerAddresses: 'whole' | 'truncated' | 'hashed' | 'none'
  /** Milliseconds after which records are dropped. */
  readonly ledgerKeep: number | 'forever'
  /** Bytes beyond which the oldest records are dropped. */
  readonly ledgerMax: number | 'unlimited'
  /** How long a model that says nothing else may take. */
  readonly modelDeadlineMs: number
  /** Threads of each threaded model that says nothing else. */
  readonly modelThreads: number | 'auto'
  /** Most inputs that wait for one threaded model, and most jobs that wait or run. */
  readonly queueMax: number
  /** Most jobs of one owner that wait or run. */
  readonly queueOwnerMax: number
  /** Jobs of each model that are worked on at once, as many as keep it busy with `auto`; 0 leaves them to other processes. */
  readonly jobWorkers: number | 'auto'
  /** Attempts after which a job is dead. */
  readonly jobAttempts: number
  /** How long a job that has ended is kept. */
  readonly jobKeepMs: number
  /** How long the job of a process that was killed waits to be taken up again. */
  readonly jobLeaseMs: number
  /** Addresses and CIDR blocks that webhooks may be sent to although they are not public. */
  readonly webhooksAllow: readonly string[]
  /** Whether webhooks may be sent over plain HTTP. */
  readonly webhooksAllowHttp: boolean
  /** How long requests and jobs under way may go on after `close`; then requests are cut off, and jobs handed back. */
  readonly shutdownGraceMs: number
  /** The peppers, where they come from the environment and not from the data folder. */
  readonly pepper?: string
  /**
   * What happens to the texts of the keys made for an empty store: `report` hands them to `onFirstKeys`, `file` writes them to
   * `first-keys.json` in the data folder.
   * @default 'file'
   */
  readonly firstKeys?: 'report' | 'file'
  /** Told once, when the server listens and the keys are there. */
  readonly onFirstKeys?: (report: FirstKeysReport) => void
  /** Told of every signed checkpoint of the ledger: kept elsewhere, it makes a cut-off tail detectable. */
  readonly onCheckpoint?: (checkpoint: LedgerCheckpoint) => void
  /** Modules that export a model, by path, or inline models; the first answers `/predict`. @default the built-in sentiment model */
  readonly models?: readonly (string | Model<never>)[]
  /** @default Date.now */
  readonly clock?: Clock
  /** Never jumps: what limits and leases run by. @default performance.now */
  readonly monotonic?: Clock
}

/** A server that answers. */
export interface RunningServer {
  /** `http://127.0.0.1:8000`, with the port it really has. */
  readonly address: string
  /**
   * Answers `/ready` with 503, accepts no more connections and begins no more jobs, ends what only waits, lets requests and jobs under way
   * finish, cuts requests off and hands jobs back after the grace, and closes the stores with the ledger, and the models. Resolves when all
   * is closed; calling it again waits for the same.
   */
  readonly close: () => Promise<void>
}
