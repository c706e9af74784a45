import { Fault } from '../../core/fault.ts'
import type { LedgerReader } from '../../core/ledger.ts'
import { readPosition } from '../../core/ledger-position.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'
import { type LedgerWorker, startLedgerWorker } from './ledger-worker.ts'
import { asFault } from './thread-worker.ts'

export interface SqliteLedgerReaderOptions {
  /** The database file, which must be there. */
  readonly file: string
}

/**
 * Opens a ledger to read it, beside whoever writes it; nothing is changed. Queries run in threads of their own.
 *
 * @throws SetupError `data_missing`, `data_corrupt`, `data_newer`, `data_unreadable`, `data_locked`
 */
export async function openSqliteLedgerReader({ file }: SqliteLedgerReaderOptions): Promise<LedgerReader> {
  openLedgerDatabaseToRead(file).close()
  return createLedgerReader(file)
}

/** Summing up much takes long, and a query need not wait for it: each has a thread. */
export function createLedgerReader(file: string): LedgerReader {
  const queries = createReadingThread(file)
  const sums = createReadingThread(file)
  return {
    async query(query) {
      if (query.after !== undefined) readPosition(query.after)
      return queries.ask('query', query)
    },
    usage: (query) => sums.ask('usage', query),
    async close() {
      await Promise.all([queries.close(), sums.close()])
    },
  }
}

interface ReadingThread {
  readonly ask: LedgerWorker['ask']
  readonly close: () => Promise<void>
}

/** Started with the first question: who never asks needs none. One that died is replaced. */
function createReadingThread(file: string): ReadingThread {
  let worker: LedgerWorker | undefined
  let isOpen = true
  return {
    async ask(name, argument) {
      if (!isOpen) throw new Fault('ledger_unavailable', 'ledger: it is closed')
      if (worker === undefined || worker.isGone()) worker = startLedgerWorker({ role: 'reader', file })
      try {
        return await worker.ask(name, argument)
      } catch (error) {
        throw asLedgerFault(error)
      }
    },
    async close() {
      if (!isOpen) return
      isOpen = false
      if (worker === undefined || worker.isGone()) return
      await worker.ask('close', { now: 0 }).catch(() => undefined)
      await worker.end()
    },
  }
}

/** While running, what stands in the way of opening is a fault like any other. */
export function asLedgerFault(error: unknown): unknown {
  return asFault(error, 'ledger', 'ledger_unavailable')
}
