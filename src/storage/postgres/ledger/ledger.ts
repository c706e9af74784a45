import type { KeyObject } from 'node:crypto'
import { processScheduler, type Scheduler } from '../../../core/scheduler.ts'
import type { Clock } from '../../../core/time.ts'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import { noMeasures } from '../../../telemetry/measures.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { readLedgerFigures } from '../../ledger/ledger-figures.ts'
import type { StoreReport } from '../store-outage.ts'
import { createLedgerAppends } from './appends.ts'
import { connectOnce, type LazyPostgres } from './connect-once.ts'
import { withLeftStreams } from './left-streams.ts'
import { type LedgerRetention, scheduleMaintenance } from './maintenance.ts'
import { createLedgerReader } from './reader.ts'
import { createStreamWriter, type LedgerWriter } from './stream-writer.ts'
import { createWholeStreamWriter } from './whole-stream-writer.ts'

export interface PostgresLedgerOptions {
  /** The database, with the schema: never in a message. */
  readonly url: string
  /** An Ed25519 private key, the same on every node; checkpoints are signed with it. */
  readonly signingKey: KeyObject
  /** The id of this process among the nodes. */
  readonly node: string
  /** Milliseconds until a connection is given up that does not come about. @default 1,000 */
  readonly connectTimeoutMs?: number
  /** The ids of the nodes that are alive, whose open streams are no news. @default none */
  readonly liveNodes?: (() => Promise<ReadonlySet<string>>) | undefined
  /** When the oldest records are dropped. @default never */
  readonly retention?: LedgerRetention | undefined
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock | undefined
  /** Milliseconds, never jumps. @default performance.now */
  readonly monotonic?: Clock | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
  /** Called with every checkpoint once it is durable: stored elsewhere, it proves tampering. */
  readonly onCheckpoint?: ((checkpoint: LedgerCheckpoint) => void) | undefined
  /** A checkpoint after so many records. @default 10_000 */
  readonly checkpointRecords?: number
  /** And after so many milliseconds in which something was recorded. @default 60_000 */
  readonly checkpointMs?: number
  /**
   * Whether each commit is a stream of its own, with a signed end: for a process that records
   * little and ends soon. @default false
   */
  readonly streamPerCommit?: boolean
  /** Called with what no caller waits for: an outage begins and ends; maintenance fails. */
  readonly telemetry?: Telemetry | undefined
  /** Gets what came of each statement, beside the database's other users. @default none */
  readonly report?: StoreReport | undefined
}

/** A ledger in PostgreSQL. */
export interface PostgresLedger extends Ledger {
  /** Whether nothing can be recorded just now, as far as is known. */
  readonly isStalled: () => boolean
  /**
   * Commits without a record, to see whether that is durable.
   *
   * @throws Fault `ledger_unavailable`, by rejecting, where it fails or takes more than a second
   */
  readonly ensureWritable: () => Promise<void>
}

/**
 * Opens a ledger in PostgreSQL, which any number of processes write at once, each a stream of its
 * own. An append resolves once its entry is durable, or is refused within two seconds. A database
 * that is out is no obstacle to opening: the ledger heals by itself.
 *
 * @throws SetupError for what waiting cannot mend, by rejecting
 */
export async function openPostgresLedger(options: PostgresLedgerOptions): Promise<PostgresLedger> {
  const { url, signingKey, node, telemetry, report } = options
  const { streamPerCommit = false, checkpointRecords = 10_000, connectTimeoutMs = 1_000 } = options
  const { liveNodes = async () => new Set<string>(), scheduler = processScheduler } = options
  const { monotonic = () => performance.now(), retention = {} } = options
  const now = (): number => Math.floor((options.clock ?? Date.now)())
  const connecting = { url, connectTimeoutMs, report }
  const own = connectOnce({ ...connecting, connectionsMax: 1, queryTimeoutMs: 2_000 })
  const others = connectOnce({ ...connecting, connectionsMax: 4, queryTimeoutMs: 5_000 })
  const writing = { connect: own.connect, signingKey, node, liveNodes, checkpointRecords }
  const createWriter = (onClosedElsewhere: () => void): LedgerWriter =>
    streamPerCommit ? createWholeStreamWriter(writing) : createStreamWriter({ ...writing, onClosedElsewhere })
  const { onCheckpoint } = options
  const heals = !streamPerCommit
  const onCheckpointed = (): void => figures.checkpointed()
  const appends = createLedgerAppends({
    ...{ createWriter, heals, now, monotonic, scheduler, onCheckpoint, onCheckpointed, telemetry },
  })
  const { measures = noMeasures } = telemetry ?? {}
  const figures = readLedgerFigures({ ...appends, measures, monotonic, bytes: () => storedBytes(others) })
  const closeConnections = (): Promise<unknown> => Promise.all([own.close(), others.close()])
  try {
    await appends.open()
  } catch (error) {
    figures.end()
    await closeConnections()
    throw error
  }
  const { connect } = others
  const reader = createLedgerReader({ connect, scheduler })
  const maintaining = { connect, signingKey, retention, now, monotonic, scheduler }
  const maintenance = streamPerCommit
    ? undefined
    : scheduleMaintenance({ ...maintaining, append: appends.append, telemetry })
  const timer = setInterval(() => {
    if (appends.isCheckpointDue())
      appends.checkpoint().catch((fault) => telemetry?.event('ledger.checkpoint_failed', {}, fault))
  }, options.checkpointMs ?? 60_000).unref()
  let closed: Promise<void> | undefined

  async function close(): Promise<void> {
    clearInterval(timer)
    figures.end()
    // In this order: the last maintenance may have dropped records, which is recorded.
    await Promise.all([maintenance?.close(), reader.close()])
    await appends.close()
    await closeConnections()
  }

  return {
    append: appends.append,
    query: reader.query,
    usage: reader.usage,
    checkpoint: appends.checkpoint,
    withLeft: async (work) => withLeftStreams(await connect(), node, work),
    isStalled: appends.isOut,
    ensureWritable: appends.ensureWritable,
    close() {
      closed ??= close()
      return closed
    },
  }
}

/** Bytes of the table of blocks, its indexes and what lies outside of its rows. */
async function storedBytes({ connect }: LazyPostgres): Promise<number> {
  const { query, schema } = await connect()
  const [found] = await query<{ readonly bytes: number }>(
    `SELECT pg_total_relation_size('${schema}.block'::regclass)::bigint AS bytes`,
  )
  return found?.bytes ?? 0
}
