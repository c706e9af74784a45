import { Fault, type FaultCode } from '../../../core/fault.ts'
import type { CallTable } from './thread-calls.ts'
import { asFault, type ThreadWorker } from './thread-worker.ts'

export interface LastingThreadOptions<Calls extends CallTable<Calls>> {
  readonly start: () => ThreadWorker<Calls>
  /** One that runs already. @default started with the first call: who never asks needs none */
  readonly first?: ThreadWorker<Calls>
  /** What it is called by messages. */
  readonly store: string
  readonly faultCode: FaultCode
  /** Told when one that died is replaced. */
  readonly onRestart?: () => void
}

/** A thread that is replaced with the next call where it has died. */
export interface LastingThread<Calls extends CallTable<Calls>> {
  /** @throws Fault with the thread's code, by rejecting */
  readonly ask: ThreadWorker<Calls>['ask']
  /** Takes a last call, whatever comes of it, and ends the thread. */
  readonly close: (last: (thread: ThreadWorker<Calls>) => Promise<unknown>) => Promise<void>
}

export function createLastingThread<Calls extends CallTable<Calls>>({
  start,
  first,
  store,
  faultCode,
  onRestart,
}: LastingThreadOptions<Calls>): LastingThread<Calls> {
  let worker = first
  let isOpen = true

  function use(): ThreadWorker<Calls> {
    if (worker?.isGone()) onRestart?.()
    if (worker === undefined || worker.isGone()) worker = start()
    return worker
  }

  return {
    async ask(name, argument, transfer) {
      if (!isOpen) throw new Fault(faultCode, `${store}: it is closed`)
      try {
        return await use().ask(name, argument, transfer)
      } catch (error) {
        throw asFault(error, store, faultCode)
      }
    },
    async close(last) {
      if (!isOpen) return
      isOpen = false
      if (worker === undefined || worker.isGone()) return
      await last(worker).catch(() => undefined)
      await worker.end()
    },
  }
}
