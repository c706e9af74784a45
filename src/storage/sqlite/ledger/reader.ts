import { readPosition } from '../../../ledger/format/position.ts'
import type { LedgerReader, UsageQuery } from '../../../ledger/ledger.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'
import { createLedgerThread, type LedgerThread } from './threads.ts'
import type { HeldRows } from './usage/held-usage.ts'

export interface SqliteLedgerReaderOptions {
  /** The database file, which must exist. */
  readonly file: string
}

/**
 * Opens a ledger for reading, beside its writers; nothing is changed. Queries run in other threads.
 *
 * @throws SetupError `data_missing`, `data_corrupt`, `data_newer`, `data_unreadable`, `data_locked`
 */
export async function openSqliteLedgerReader({ file }: SqliteLedgerReaderOptions): Promise<LedgerReader> {
  openLedgerDatabaseToRead(file).close()
  return createLedgerReader(file)
}

/**
 * Summing up usage can take long, and no query waits for it: each has a thread.
 *
 * @param heldUsage what this process has summed up and not written yet, if that is known
 */
export function createLedgerReader(
  file: string,
  heldUsage: (query: UsageQuery) => Promise<HeldRows | undefined> = async () => undefined,
): LedgerReader {
  const queries = createLedgerThread({ role: 'reader', file })
  const sums = createLedgerThread({ role: 'reader', file })
  return {
    async query(query) {
      if (query.after !== undefined) readPosition(query.after)
      return queries.ask('query', query)
    },
    usage: async (query) => sums.ask('usage', { query, held: await heldUsage(query) }),
    async close() {
      await Promise.all([endReading(queries), endReading(sums)])
    },
  }
}

async function endReading(thread: LedgerThread): Promise<void> {
  await thread.close({ now: 0 }).catch(() => undefined)
}
