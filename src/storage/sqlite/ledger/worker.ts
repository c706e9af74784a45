import { startThread, type ThreadWorker } from '../threads/thread-worker.ts'
import type { ThreadCalls, ThreadData } from './calls.ts'

/** A thread of the ledger, from outside; its fault is `ledger_unavailable`. */
export type LedgerWorker = ThreadWorker<ThreadCalls>

/** Starts a thread. */
export function startLedgerWorker(data: ThreadData): LedgerWorker {
  return startThread<ThreadCalls>({
    program: '../ledger/ledger-thread',
    data,
    store: 'ledger',
    role: data.role,
    faultCode: 'ledger_unavailable',
  })
}
