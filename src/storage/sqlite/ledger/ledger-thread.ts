// The program of the ledger's threads: one writes, one keeps the file in shape, one reads.
import { workerData } from 'node:worker_threads'
import { serveCalls } from '../threads/thread-program.ts'
import type { ThreadCalls, ThreadData } from './calls.ts'
import { createLedgerKeeper } from './maintenance.ts'
import { createLedgerSearch } from './search.ts'
import { createLedgerWriter } from './writer.ts'

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
