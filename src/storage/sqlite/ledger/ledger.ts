import type { KeyObject } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { Fault } from '../../../core/fault.ts'
import type { Scheduler } from '../../../core/scheduler.ts'
import type { Clock } from '../../../core/time.ts'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import { noMeasures } from '../../../telemetry/measures.ts'
import { createOutageReport } from '../../../telemetry/outage-report.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { createEntryQueue } from '../../group-commit/entry-queue.ts'
import { readLedgerFigures } from '../../ledger/ledger-figures.ts'
import { tellCheckpoints } from '../../ledger/tell-checkpoints.ts'
import type { DiskReport } from '../disk/disk-outage.ts'
import { readLeftStreams } from './left-streams.ts'
import { createLedgerReader } from './reader.ts'
import { scheduleMaintenance } from './schedule-maintenance.ts'
import { type Committed, createLedgerThread, type LedgerRetention } from './threads.ts'

export interface SqliteLedgerOptions {
  /**
   * The database file; created with mode 0600 if missing. Its folder must exist, on a local disk.
   */
  readonly file: string
  /** An Ed25519 private key; checkpoints are signed with it. */
  readonly signingKey: KeyObject
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock | undefined
  /** Milliseconds, never jumps: shows retention that `clock` has. @default performance.now */
  readonly monotonic?: Clock | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
  /** A checkpoint after so many records. @default 10_000 */
  readonly checkpointRecords?: number
  /**
   * Whether each commit is a stream of its own, with a signed end: for a process that records
   * little and ends soon. @default false
   */
  readonly streamPerCommit?: boolean
  /** And after so many milliseconds in which something was recorded. @default 60_000 */
  readonly checkpointMs?: number
  /** When the oldest records are dropped. @default never */
  readonly retention?: LedgerRetention
  /** Called with every checkpoint once it is durable: stored elsewhere, it proves tampering. */
  readonly onCheckpoint?: ((checkpoint: LedgerCheckpoint) => void) | undefined
  /**
   * Called with what no caller waits for: writing fails, and works again (`fault` undefined);
   * maintenance fails; a thread died.
   */
  readonly telemetry?: Telemetry | undefined
  /** Tells of the disk for all files of a folder; the rest is this ledger's own. @default none */
  readonly disk?: DiskReport | undefined
}

/** Most entries that wait; some ten megabytes. */
const entriesMax = 65_536
/**
 * A commit that the disk has not answered by then is given up, with all that waits behind it. A
 * record may have waited as long for the commit before: an answer waits 10 s at most.
 */
const stallMs = 5_000

/**
 * Opens a ledger in an SQLite file, which several processes may write at once, each a stream of its
 * own. An append resolves once its entry is on the disk; what arrives meanwhile shares the next
 * commit. After a fault each append tries anew.
 *
 * @throws SetupError `data_missing`, `data_corrupt`, `data_newer`, `data_locked`,
 *   `data_unwritable`, `data_unreadable`
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<Ledger> {
  const { file, signingKey, retention = {}, telemetry } = options
  const now = (): number => Math.floor((options.clock ?? Date.now)())
  const monotonic = options.monotonic ?? (() => performance.now())
  const appends = createLedgerAppends(options, now, () => figures.checkpointed())
  const { measures = noMeasures } = telemetry ?? {}
  const figures = readLedgerFigures({ ...appends, measures, monotonic, bytes: () => bytesOf(file) })
  try {
    await appends.open()
  } catch (error) {
    figures.end()
    throw error
  }
  const maintenance = scheduleMaintenance({
    thread: createLedgerThread({ role: 'maintenance', file, signingKey, retention }),
    now,
    monotonic,
    append: appends.append,
    telemetry,
  })
  const reader = createLedgerReader(file, maintenance.heldUsage)
  const timer = setInterval(() => {
    if (appends.isCheckpointDue())
      appends.checkpoint().catch((fault) => telemetry?.event('ledger.checkpoint_failed', {}, fault))
  }, options.checkpointMs ?? 60_000).unref()
  let closed: Promise<void> | undefined

  async function close(): Promise<void> {
    clearInterval(timer)
    figures.end()
    // In this order: the last maintenance may have dropped records, which is recorded.
    await Promise.all([maintenance.close(), reader.close()])
    await appends.close()
  }

  return {
    append: appends.append,
    query: reader.query,
    usage: reader.usage,
    checkpoint: appends.checkpoint,
    async withLeft(work) {
      const streams = readLeftStreams(file)
      if (streams.length > 0) await work({ streams, isCleared: false })
    },
    isStalled: appends.isStalled,
    close() {
      closed ??= close()
      return closed
    },
  }
}

/** The writing side of a ledger: entries → group commit → thread. */
interface LedgerAppends extends Pick<Ledger, 'append' | 'checkpoint'> {
  readonly isStalled: () => boolean
  /** Whether the last commit failed, or the disk does not answer. */
  readonly isOut: () => boolean
  readonly pending: () => number
  /** Begins a stream. @throws SetupError by rejecting */
  readonly open: () => Promise<void>
  /** Whether something was recorded since the last checkpoint. */
  readonly isCheckpointDue: () => boolean
  /** Ends the stream behind the entries appended so far. */
  readonly close: () => Promise<void>
}

/** The file with its log. */
async function bytesOf(file: string): Promise<number> {
  const sizes = await Promise.all([stat(file), stat(`${file}-wal`).catch(() => ({ size: 0 }))])
  return sizes.reduce((sum, { size }) => sum + size, 0)
}

function createLedgerAppends(
  options: SqliteLedgerOptions,
  now: Clock,
  onCheckpointed: () => void,
): LedgerAppends {
  const { file, signingKey, checkpointRecords = 10_000, streamPerCommit = false } = options
  const { telemetry, scheduler, disk } = options
  const tellCheckpoint = tellCheckpoints(options)
  const data = { role: 'writer', file, signingKey, checkpointRecords, streamPerCommit } as const
  const onRestart = (): void => telemetry?.event('ledger.thread_restarted', { thread: 'writer' })
  const thread = createLedgerThread(data, { onRestart, stallMs, scheduler })
  const outage = createOutageReport('ledger.unreachable', telemetry, { clock: now, scheduler })
  /** Entries since the last commit that was answered. */
  let unwritten = 0
  let isCheckpointDue = false

  function report({ seq, checkpoints, unclosed }: Committed): void {
    if (unclosed.length > 0) telemetry?.event('ledger.unclean_start', { streams: unclosed })
    for (const checkpoint of checkpoints) tellCheckpoint(checkpoint)
    if (checkpoints.length > 0) onCheckpointed()
    // The record of a checkpoint itself needs no other.
    isCheckpointDue = seq > (checkpoints.at(-1)?.seq ?? seq) + 1 || checkpoints.length === 0
  }

  /** Reports an outage, however many commits fail. */
  async function reportCommit(committing: Promise<Committed>): Promise<Committed> {
    let committed: Committed
    try {
      committed = await committing
    } catch (reason) {
      disk?.failed(reason)
      outage.failed(reason)
      throw reason
    }
    disk?.passed()
    outage.passed()
    unwritten = 0
    report(committed)
    return committed
  }

  const queue = createEntryQueue({
    async send(entries, count) {
      unwritten += count
      await reportCommit(thread.ask('write', { entries, now: now() }, entries.buffer))
    },
    entriesMax,
    measures: telemetry?.measures,
  })
  return {
    append: queue.append,
    async open() {
      const committed = await thread.open({ now: now() })
      if (committed !== undefined) report(committed)
    },
    async checkpoint() {
      const { checkpoints } = await reportCommit(thread.ask('checkpoint', { now: now() }))
      const checkpoint = checkpoints.at(-1)
      if (checkpoint === undefined) throw new Fault('ledger_unavailable', 'ledger: no checkpoint was written')
      return checkpoint
    },
    isCheckpointDue: () => isCheckpointDue,
    isStalled: thread.isStalled,
    isOut: () => outage.isOut() || thread.isStalled(),
    pending: queue.pending,
    async close() {
      await queue.close()
      outage.stop()
      try {
        const committed = await thread.close({ now: now() })
        if (committed !== undefined) report(committed)
      } catch (fault) {
        telemetry?.event('ledger.not_closed', { records: unwritten }, fault)
      }
    },
  }
}
