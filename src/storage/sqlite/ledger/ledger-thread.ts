// The program of the ledger's threads: one writes, one maintains the file, two read. And one checks
// usage while the ledger is verified.
import { workerData } from 'node:worker_threads'
import { serveCalls } from '../threads/thread-program.ts'
import { createMaintenance } from './maintenance.ts'
import { createLedgerSearch } from './search.ts'
import { createStreamWriter } from './stream-writer.ts'
import type { LedgerThreadCalls, LedgerThreadData } from './threads.ts'
import { checkUsage } from './usage/check-usage.ts'
import { createWholeStreamWriter } from './whole-stream-writer.ts'

serveCalls({ ...createHandlers(workerData as LedgerThreadData) })

function createHandlers(data: LedgerThreadData): Partial<LedgerThreadCalls> {
  switch (data.role) {
    case 'writer':
      return data.streamPerCommit ? createWholeStreamWriter(data) : createStreamWriter(data)
    case 'maintenance':
      return createMaintenance(data)
    case 'reader':
      return createLedgerSearch(data)
    case 'usage-check': {
      const stop = new Int32Array(data.stop)
      const isStopped = (): boolean => Atomics.load(stop, 0) !== 0
      return { checkUsage: () => checkUsage({ ledgerFile: data.file, isStopped }) }
    }
  }
}
