import type { KeyObject } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import type { Ledger } from '../../core/ledger.ts'
import type { LedgerCheckpoint } from '../../core/ledger-checkpoint.ts'
import { encodeEntry } from '../../core/ledger-encoding.ts'
import { ledgerEntry } from '../../core/ledger-record.ts'
import { createAppendQueue } from './append-queue.ts'
import type { LedgerRetention, Written } from './ledger-calls.ts'
import { asFault, createLedgerReader } from './ledger-reader.ts'
import { type LedgerWorker, startLedgerWorker } from './ledger-worker.ts'

export interface SqliteLedgerOptions {
  /** The database file; created with mode 0600 where there is none. Its folder must be there, on a local disk. */
  readonly file: string
  /** An Ed25519 private key; checkpoints are signed with it. */
  readonly signingKey: KeyObject
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock
  /** A checkpoint after so many records. @default 10_000 */
  readonly checkpointRecords?: number
  /** And after so many milliseconds in which something was recorded. @default 60_000 */
  readonly checkpointMs?: number
  /** What oldest records are dropped for. @default none are */
  readonly retention?: LedgerRetention
  /** Told of every checkpoint once it is durable: it is worth something outside of this file. */
  readonly onCheckpoint?: (checkpoint: LedgerCheckpoint) => void
  /** Told of what no caller waits for: the keeper's faults, a thread that died, a former writer without an end. */
  readonly onFault?: (message: string, fault: unknown) => void
}

/** Entries that wait at most; some ten megabytes. */
const entriesMax = 65_536
const tendMs = 1_000

/**
 * Opens a ledger in an SQLite file, which several processes may write at once, each a stream of its own. An append resolves once its
 * entry is on the disk; all that came meanwhile share the next commit. After a fault each append tries anew.
 *
 * @throws SetupError `data_missing`, `data_corrupt`, `data_newer`, `data_locked`, `data_unwritable`, `data_unreadable`
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<Ledger> {
  const now = (): number => Math.floor((options.clock ?? Date.now)())
  const writer = createWriter(options, now)
  await writer.open()
  const queue = createAppendQueue({ send: writer.write, entriesMax })
  const reader = createLedgerReader(options.file)
  let isOpen = true

  async function append(entry: Parameters<Ledger['append']>[0]): Promise<void> {
    checkOpen()
    return queue.append(encodeEntry(entry))
  }

  function checkOpen(): void {
    if (!isOpen) throw new Fault('ledger_unavailable', 'ledger: it is closed')
  }

  const keeper = startKeeper(options, now, append)
  const checkpoints = setInterval(() => {
    if (writer.isDue())
      writer.checkpoint().catch((fault) => options.onFault?.('ledger: no checkpoint was written', fault))
  }, options.checkpointMs ?? 60_000).unref()
  return {
    append,
    query: reader.query,
    usage: reader.usage,
    async checkpoint() {
      checkOpen()
      return writer.checkpoint()
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

interface Writer {
  readonly open: () => Promise<void>
  readonly write: (entries: Uint8Array<ArrayBuffer>) => Promise<void>
  readonly checkpoint: () => Promise<LedgerCheckpoint>
  /** Whether something was recorded since the last checkpoint. */
  readonly isDue: () => boolean
  readonly close: () => Promise<void>
}

/** The writing thread. One that died is replaced with the next call, and the new one begins a stream. */
function createWriter(options: SqliteLedgerOptions, now: () => number): Writer {
  const { file, signingKey, checkpointRecords = 10_000, onCheckpoint, onFault } = options
  const start = (): LedgerWorker => startLedgerWorker({ role: 'writer', file, signingKey, checkpointRecords })
  let worker = start()
  let isDue = false

  function use(): LedgerWorker {
    if (worker.isGone()) {
      onFault?.('ledger: the writer thread has ended and is started again', undefined)
      worker = start()
    }
    return worker
  }

  function tell({ checkpoints, unclosed }: Written): void {
    for (const stream of unclosed)
      onFault?.(`ledger: stream ${stream} has no end: its process was killed, or is still running`, undefined)
    for (const checkpoint of checkpoints) onCheckpoint?.(checkpoint)
    isDue = checkpoints.length === 0
  }

  async function call(ask: (thread: LedgerWorker) => Promise<Written>): Promise<Written> {
    try {
      const written = await ask(use())
      tell(written)
      return written
    } catch (error) {
      throw asFault(error)
    }
  }

  return {
    async open() {
      try {
        tell(await worker.ask('open', { now: now() }))
      } catch (error) {
        await worker.end()
        throw error
      }
    },
    async write(entries) {
      await call((thread) => thread.ask('write', { entries, now: now() }, [entries.buffer]))
    },
    async checkpoint() {
      const { checkpoints } = await call((thread) => thread.ask('checkpoint', { now: now() }))
      const checkpoint = checkpoints.at(-1)
      if (checkpoint === undefined) throw new Fault('ledger_unavailable', 'ledger: no checkpoint was written')
      return checkpoint
    },
    isDue: () => isDue,
    async close() {
      if (worker.isGone()) return
      try {
        const written = await worker.ask('close', { now: now() })
        if (written !== undefined) tell(written)
      } catch (error) {
        throw asFault(error)
      } finally {
        await worker.end()
      }
    },
  }
}

/** The keeper's thread, which has its turn every second unless the last one still goes on. */
function startKeeper(
  { file, signingKey, retention = {}, onFault }: SqliteLedgerOptions,
  now: () => number,
  append: Ledger['append'],
): { readonly close: () => Promise<void> } {
  let worker = startLedgerWorker({ role: 'keeper', file, signingKey, retention })
  let turn: Promise<void> | undefined

  async function tend(): Promise<void> {
    try {
      if (worker.isGone()) worker = startLedgerWorker({ role: 'keeper', file, signingKey, retention })
      const { dropped } = await worker.ask('tend', { now: now() })
      if (dropped !== undefined)
        await append(ledgerEntry({ at: now(), event: 'ledger.dropped', detail: dropped }))
    } catch (fault) {
      onFault?.('ledger: its file could not be tended', fault)
    }
  }

  const timer = setInterval(() => {
    turn ??= tend().finally(() => {
      turn = undefined
    })
  }, tendMs).unref()
  return {
    async close() {
      clearInterval(timer)
      await turn
      if (worker.isGone()) return
      await worker.ask('close', { now: now() }).catch(() => undefined)
      await worker.end()
    },
  }
}
