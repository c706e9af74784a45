import { readPosition } from '../../../ledger/format/position.ts'
import type { LedgerReader } from '../../../ledger/ledger.ts'
import { createLastingThread, type LastingThread } from '../threads/restarting-thread.ts'
import { asFault } from '../threads/thread-worker.ts'
import type { ThreadCalls } from './calls.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'
import { type LedgerWorker, startLedgerWorker } from './worker.ts'

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
      await Promise.all([queries.close(end), sums.close(end)])
    },
  }
}

/** Started with the first question: who never asks needs none. */
function createReadingThread(file: string): LastingThread<ThreadCalls> {
  return createLastingThread({
    start: () => startLedgerWorker({ role: 'reader', file }),
    store: 'ledger',
    faultCode: 'ledger_unavailable',
  })
}

function end(reader: LedgerWorker): Promise<unknown> {
  return reader.ask('close', { now: 0 })
}

/** While running, what stands in the way of opening is a fault like any other. */
export function asLedgerFault(error: unknown): unknown {
  return asFault(error, 'ledger', 'ledger_unavailable')
}
