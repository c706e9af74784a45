import { Fault } from '../../core/fault.ts'
import type { LedgerReader } from '../../core/ledger.ts'
import { readPosition } from '../../core/ledger-position.ts'
import { SetupError } from '../../core/setup-error.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'
import { type LedgerWorker, startLedgerWorker } from './ledger-worker.ts'

export interface SqliteLedgerReaderOptions {
  /** The database file, which must be there. */
  readonly file: string
}

/**
 * Opens a ledger to read it, beside whoever writes it; nothing is changed. Queries run in a thread of their own.
 *
 * @throws SetupError `data_missing`, `data_corrupt`, `data_newer`, `data_unreadable`, `data_locked`
 */
export async function openSqliteLedgerReader({ file }: SqliteLedgerReaderOptions): Promise<LedgerReader> {
  openLedgerDatabaseToRead(file).close()
  return createLedgerReader(file)
}

/** The thread is started with the first question: who never asks needs none. One that died is replaced. */
export function createLedgerReader(file: string): LedgerReader {
  let worker: LedgerWorker | undefined
  let isOpen = true

  async function ask<T>(work: (worker: LedgerWorker) => Promise<T>): Promise<T> {
    if (!isOpen) throw new Fault('ledger_unavailable', 'ledger: it is closed')
    if (worker === undefined || worker.isGone()) worker = startLedgerWorker({ role: 'reader', file })
    try {
      return await work(worker)
    } catch (error) {
      throw asFault(error)
    }
  }

  return {
    async query(query) {
      if (query.after !== undefined) readPosition(query.after)
      return ask((thread) => thread.ask('query', query))
    },
    usage: (query) => ask((thread) => thread.ask('usage', query)),
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
export function asFault(error: unknown): unknown {
  if (!(error instanceof SetupError)) return error
  return new Fault('ledger_unavailable', `ledger: ${error.message}`, { cause: error })
}
