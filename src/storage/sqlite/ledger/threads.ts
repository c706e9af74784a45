import type { KeyObject } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import type { LedgerPage, LedgerQuery, UsageQuery, UsageRow } from '../../../ledger/ledger.ts'
import {
  createRestartingThread,
  type RestartingThread,
  type RestartingThreadOptions,
} from '../threads/restarting-thread.ts'
import type { CheckedUsage } from './usage/check-usage.ts'
import type { HeldRows } from './usage/held-usage.ts'

/** When the oldest records are dropped. With both bounds, whichever is exceeded first. */
export interface LedgerRetention {
  /** Milliseconds. */
  readonly ageMs?: number | undefined
  /** Milliseconds that usage outlives the records by. @default for ever */
  readonly usageMs?: number | undefined
  /** Of the database file, without its write-ahead log. */
  readonly bytes?: number | undefined
}

/** What a thread is started with; its role decides which calls it answers. */
export type LedgerThreadData = WriterData | MaintenanceData | ReaderData | UsageCheckData

export interface WriterData {
  readonly role: 'writer'
  readonly file: string
  readonly signingKey: KeyObject
  /** Records after which a checkpoint is written within the same commit. */
  readonly checkpointRecords: number
  /** Whether each commit is a stream of its own, with a signed end. */
  readonly streamPerCommit: boolean
}

export interface MaintenanceData {
  readonly role: 'maintenance'
  readonly file: string
  readonly signingKey: KeyObject
  readonly retention: LedgerRetention
}

export interface ReaderData {
  readonly role: 'reader'
  readonly file: string
}

export interface UsageCheckData {
  readonly role: 'usage-check'
  readonly file: string
  /** Four bytes: not 0 once the answer is not wanted any more. */
  readonly stop: SharedArrayBuffer
}

/** What a writer has committed. */
export interface Committed {
  /** The stream's last record. */
  readonly seq: number
  readonly checkpoints: readonly LedgerCheckpoint[]
  /** Other streams that have no end; only in the first commit of the writer. */
  readonly unclosed: readonly string[]
}

/** What maintenance has done. */
export interface Maintained {
  /** Records that were dropped, and the last block among them; undefined if none were. */
  readonly dropped: { readonly records: number; readonly until: number } | undefined
  /** Bytes of the log where it is beyond twice its bound: a reader holds it. */
  readonly heldLogBytes?: number | undefined
}

/** A clock cannot be handed to a thread: milliseconds since the epoch, whole. */
interface Timed {
  readonly now: number
}

/** A query of usage, and what another thread holds that is not written yet. */
interface UsageCall {
  readonly query: UsageQuery
  readonly held: HeldRows | undefined
}

/** The calls of the ledger's threads. */
export interface LedgerThreadCalls {
  /** Undefined if nothing was committed. */
  readonly open: (call: Timed) => Committed | undefined
  /** Encoded entries, each behind its length in four bytes, the lowest first. */
  readonly write: (call: Timed & { readonly entries: Uint8Array<ArrayBuffer> }) => Committed
  readonly checkpoint: (call: Timed) => Committed
  readonly maintain: (call: Timed) => Maintained
  readonly query: (call: LedgerQuery) => LedgerPage
  /** What maintenance holds of usage that a query asks for. */
  readonly heldUsage: (call: UsageQuery) => HeldRows | undefined
  readonly usage: (call: UsageCall) => readonly UsageRow[]
  readonly checkUsage: () => CheckedUsage
  /** Ends the thread's work; a writer ends its stream. */
  readonly close: (call: Timed) => Committed | undefined
}

export type LedgerThread = RestartingThread<LedgerThreadCalls>

export function createLedgerThread(
  data: LedgerThreadData,
  options: Pick<RestartingThreadOptions, 'onRestart' | 'stallMs' | 'scheduler'> = {},
): LedgerThread {
  return createRestartingThread({
    ...options,
    startWorker: ({ workerData, name, execArgv }) =>
      new Worker(new URL('./ledger-thread.ts', import.meta.url), { workerData, name, execArgv }),
    data,
    store: 'ledger',
    role: data.role,
    faultCode: 'ledger_unavailable',
  })
}
