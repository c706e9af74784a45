import type { Ledger } from '../../core/ledger.ts'
import { ledgerEntry } from '../../core/ledger-record.ts'
import type { LedgerWorker } from './ledger-worker.ts'

export interface KeepingThreadOptions {
  /** Starts a thread with the role `keeper`. */
  readonly start: () => LedgerWorker
  /** Milliseconds since the epoch, whole. */
  readonly now: () => number
  /** What it dropped is recorded. */
  readonly append: Ledger['append']
  readonly onFault?: ((message: string, fault: unknown) => void) | undefined
}

const tendMs = 1_000

/** Has the keeper's thread take its turn every second, unless the last one still goes on. */
export function createKeepingThread({ start, now, append, onFault }: KeepingThreadOptions): {
  readonly close: () => Promise<void>
} {
  // Nothing is to be done at first, and whoever opens a ledger is in a hurry.
  let worker: LedgerWorker | undefined
  let turn: Promise<void> | undefined
  /** What stands in the way is told once, not every second. */
  let told: string | undefined

  async function tend(): Promise<void> {
    try {
      if (worker === undefined || worker.isGone()) worker = start()
      const { dropped } = await worker.ask('tend', { now: now() })
      if (dropped !== undefined)
        await append(ledgerEntry({ at: now(), event: 'ledger.dropped', detail: dropped }))
      told = undefined
    } catch (fault) {
      const message = fault instanceof Error ? fault.message : String(fault)
      if (message !== told) onFault?.('ledger: its file could not be tended', fault)
      told = message
    }
  }

  const timer = setInterval(() => {
    turn ??= tend().finally(() => {
      turn = undefined
    })
  }, tendMs).unref()
  return {
    async close() {
      clearInterval(timer)
      await turn
      if (worker === undefined || worker.isGone()) return
      await worker.ask('close', { now: now() }).catch(() => undefined)
      await worker.end()
    },
  }
}
