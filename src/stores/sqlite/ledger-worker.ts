import { Worker } from 'node:worker_threads'
import { Fault } from '../../core/fault.ts'
import { SetupError, type SetupErrorCode } from '../../core/setup-error.ts'
import type { ThreadAnswer, ThreadCalls, ThreadData, ThreadFailure, ThreadRequest } from './ledger-calls.ts'

/** A thread of the ledger, from outside. It keeps the process alive while an answer is awaited, and no longer. */
export interface LedgerWorker {
  /**
   * Calls are answered in their order.
   *
   * @throws SetupError, Fault `ledger_unavailable`; both by rejecting
   */
  readonly ask: <Name extends keyof ThreadCalls>(
    name: Name,
    argument: Parameters<ThreadCalls[Name]>[0],
    transfer?: readonly ArrayBuffer[],
  ) => Promise<ReturnType<ThreadCalls[Name]>>
  /** Whether the thread has ended: it answers nothing any more. */
  readonly isGone: () => boolean
  readonly end: () => Promise<void>
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (reason: unknown) => void
}

// Sources run as they are and as they are built: the thread's program is of the same kind as this file.
const program = new URL(
  import.meta.url.endsWith('.ts') ? './ledger-thread.ts' : './ledger-thread.js',
  import.meta.url,
)

/** Starts a thread. */
export function startLedgerWorker(data: ThreadData): LedgerWorker {
  // Not the flags of this process: with `--input-type`, for one, no program of a thread can be a file.
  const worker = new Worker(program, { workerData: data, name: `ledger-${data.role}`, execArgv: [] })
  const waiting = new Map<number, Waiting>()
  let isGone = false
  let calls = 0

  function leave(reason: unknown): void {
    isGone = true
    const fault = new Fault('ledger_unavailable', `ledger: the ${data.role} thread has ended`, {
      cause: reason,
    })
    for (const { reject } of waiting.values()) reject(fault)
    waiting.clear()
  }

  worker.unref()
  worker.on('error', leave)
  worker.on('exit', (code) => leave(new Error(`exit code ${code}`)))
  worker.on('message', (answer: ThreadAnswer) => {
    const asked = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (waiting.size === 0) worker.unref()
    if ('failure' in answer) asked?.reject(errorOf(answer.failure))
    else asked?.resolve(answer.value as never)
  })

  return {
    ask(name, argument, transfer = []) {
      return new Promise((resolve, reject) => {
        if (isGone) {
          reject(new Fault('ledger_unavailable', `ledger: the ${data.role} thread has ended`))
          return
        }
        calls += 1
        if (waiting.size === 0) worker.ref()
        waiting.set(calls, { resolve, reject })
        worker.postMessage({ id: calls, name, argument } satisfies ThreadRequest, [...transfer])
      })
    },
    isGone: () => isGone,
    async end() {
      await worker.terminate()
    },
  }
}

function errorOf({ setupCode, message }: ThreadFailure): Error {
  if (setupCode !== undefined) return new SetupError(setupCode as SetupErrorCode, message)
  return new Fault('ledger_unavailable', `ledger: ${message}`)
}
