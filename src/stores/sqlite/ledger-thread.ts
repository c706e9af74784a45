// The program of the ledger's threads: one writes, one keeps the file in shape, one reads.
import { parentPort, workerData } from 'node:worker_threads'
import { SetupError } from '../../core/setup-error.ts'
import type { ThreadAnswer, ThreadCalls, ThreadData, ThreadFailure, ThreadRequest } from './ledger-calls.ts'
import { createLedgerKeeper } from './ledger-keeper.ts'
import { createLedgerSearch } from './ledger-search.ts'
import { createLedgerWriter } from './ledger-writer.ts'

const handlers = createHandlers(workerData as ThreadData)

parentPort?.on('message', ({ id, name, argument }: ThreadRequest) => {
  parentPort?.postMessage(answer(id, () => handlers[name]?.(argument as never)))
})

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

function answer(id: number, work: () => unknown): ThreadAnswer {
  try {
    return { id, value: work() }
  } catch (error) {
    return { id, failure: failureOf(error) }
  }
}

function failureOf(error: unknown): ThreadFailure {
  return {
    setupCode: error instanceof SetupError ? error.code : undefined,
    message: error instanceof Error ? error.message : String(error),
  }
}
