// The program of the ledger's threads: one writes, one keeps the file in shape, one reads.
import { workerData } from 'node:worker_threads'
import type { ThreadCalls, ThreadData } from './ledger-calls.ts'
import { createLedgerKeeper } from './ledger-keeper.ts'
import { createLedgerSearch } from './ledger-search.ts'
import { createLedgerWriter } from './ledger-writer.ts'
import { serveCalls } from './thread-program.ts'

serveCalls({ ...createHandlers(workerData as ThreadData) })

function createHandlers(data: ThreadData): Partial<ThreadCalls> {
  switch (data.role) {
    case 'writer':
      return createLedgerWriter(data)
    case 'keeper':
      return createLedgerKeeper(data)
    case 'reader':
      return createLedgerSearch(data)
  }
}
