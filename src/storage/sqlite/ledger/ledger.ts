import type { KeyObject } from 'node:crypto'
import { Fault } from '../../../core/fault.ts'
import type { Clock } from '../../../core/time.ts'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import type { LedgerEntry } from '../../../ledger/format/record.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import { createAppendQueue } from '../../group-commit/entry-queue.ts'
import { createOutage } from '../../group-commit/outage.ts'
import type { LedgerRetention } from './calls.ts'
import { createWritingThread } from './ledger-writing.ts'
import { createKeepingThread } from './maintenance-thread.ts'
import { createLedgerReader } from './reader.ts'
import { startLedgerWorker } from './worker.ts'

export interface SqliteLedgerOptions {
  /** The database file; created with mode 0600 where there is none. Its folder must be there, on a local disk. */
  readonly file: string
  /** An Ed25519 private key; checkpoints are signed with it. */
  readonly signingKey: KeyObject
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock
  /** Milliseconds, never jumps: tells retention when `clock` has. @default performance.now */
  readonly monotonic?: Clock
  /** A checkpoint after so many records. @default 10_000 */
  readonly checkpointRecords?: number
  /** And after so many milliseconds in which something was recorded. @default 60_000 */
  readonly checkpointMs?: number
  /** What oldest records are dropped for. @default none are */
  readonly retention?: LedgerRetention
  /** Told of every checkpoint once it is durable: it is worth something outside of this file. */
  readonly onCheckpoint?: (checkpoint: LedgerCheckpoint) => void
  /**
   * Told, once it is opened, of streams of others that have no end: their process was killed, or is still running. What they have
   * committed is whole; what they were about to is not there.
   */
  readonly onUnclosed?: (streams: readonly string[]) => void
  /** Told of what no caller waits for: that nothing can be written, and again (`fault` undefined); the keeper's faults, a thread that died. */
  readonly onFault?: (message: string, fault: unknown) => void
}

/** Entries that wait at most; some ten megabytes. */
const entriesMax = 65_536

/**
 * Opens a ledger in an SQLite file, which several processes may write at once, each a stream of its own. An append resolves once its
 * entry is on the disk; all that came meanwhile share the next commit. After a fault each append tries anew.
 *
 * @throws SetupError `data_missing`, `data_corrupt`, `data_newer`, `data_locked`, `data_unwritable`, `data_unreadable`
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<Ledger> {
  const now = (): number => Math.floor((options.clock ?? Date.now)())
  const {
    file,
    signingKey,
    checkpointRecords = 10_000,
    retention = {},
    onCheckpoint,
    onUnclosed,
    onFault,
  } = options
  const writer = createWritingThread({
    start: () => startLedgerWorker({ role: 'writer', file, signingKey, checkpointRecords }),
    now,
    onCheckpoint,
    onUnclosed,
    onFault,
  })
  await writer.open()
  const outage = createOutage(
    (reason) => onFault?.('ledger: it is out, and nothing can be recorded', reason),
    () => onFault?.('ledger: it is back, and records are written again', undefined),
  )
  const checkpoint = outage.watch(writer.checkpoint)
  const queue = createAppendQueue({ send: outage.watch(writer.write), entriesMax })
  const reader = createLedgerReader(file)
  let isOpen = true

  function append(entry: LedgerEntry): Promise<void> {
    return isOpen ? queue.append(entry) : Promise.reject(closedFault())
  }

  function closedFault(): Fault {
    return new Fault('ledger_unavailable', 'ledger: it is closed')
  }

  const keeper = createKeepingThread({
    start: () => startLedgerWorker({ role: 'keeper', file, signingKey, retention }),
    now,
    monotonic: options.monotonic ?? (() => performance.now()),
    // Also while closing: what its last turn dropped is recorded still.
    append: queue.append,
    onFault,
  })
  const checkpoints = setInterval(() => {
    if (writer.isDue()) checkpoint().catch((fault) => onFault?.('ledger: no checkpoint was written', fault))
  }, options.checkpointMs ?? 60_000).unref()
  return {
    append,
    query: reader.query,
    usage: reader.usage,
    async checkpoint() {
      if (!isOpen) throw closedFault()
      return checkpoint()
    },
    async close() {
      if (!isOpen) return
      isOpen = false
      clearInterval(checkpoints)
      await queue.settled()
      await Promise.all([keeper.close(), reader.close()])
      await writer.close()
    },
  }
}
