import { Fault, type FaultCode } from '../../../core/fault.ts'
import type { CallTable } from './thread-calls.ts'
import type { ThreadWorker } from './thread-worker.ts'

export interface RestartingThreadOptions<Calls extends CallTable<Calls>> {
  readonly start: () => ThreadWorker<Calls>
  /** What messages call it. */
  readonly store: string
  readonly faultCode: FaultCode
  /** Called when a thread that died is replaced. */
  readonly onRestart?: (() => void) | undefined
}

/** A thread that starts with its first call, and again with the next call after it has died. */
export interface RestartingThread<Calls extends CallTable<Calls>> {
  /** The first call; the thread ends again if it fails. @throws what the call rejected with */
  readonly open: <T>(first: (thread: ThreadWorker<Calls>) => Promise<T>) => Promise<T>
  /** @throws Fault with the thread's code, by rejecting */
  readonly ask: ThreadWorker<Calls>['ask']
  /**
   * Ends the thread after a last call; undefined if no thread runs.
   *
   * @throws what the call rejected with
   */
  readonly close: <T>(last: (thread: ThreadWorker<Calls>) => Promise<T>) => Promise<T | undefined>
}

export function createRestartingThread<Calls extends CallTable<Calls>>({
  start,
  store,
  faultCode,
  onRestart,
}: RestartingThreadOptions<Calls>): RestartingThread<Calls> {
  let worker: ThreadWorker<Calls> | undefined
  let isOpen = true

  function running(): ThreadWorker<Calls> {
    if (worker !== undefined && !worker.isGone()) return worker
    if (worker !== undefined) onRestart?.()
    worker = start()
    return worker
  }

  return {
    async open(first) {
      const opened = running()
      try {
        return await first(opened)
      } catch (error) {
        await opened.end()
        throw error
      }
    },
    ask(name, argument, transfer) {
      if (!isOpen) return Promise.reject(new Fault(faultCode, `${store}: it is closed`))
      return running().ask(name, argument, transfer)
    },
    async close(last) {
      if (!isOpen) return undefined
      isOpen = false
      if (worker === undefined || worker.isGone()) return undefined
      try {
        return await last(worker)
      } finally {
        await worker.end()
      }
    },
  }
}
