import { Fault } from '../../../core/fault.ts'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import type { Written } from './calls.ts'
import { asLedgerFault } from './reader.ts'
import type { LedgerWorker } from './worker.ts'

export interface WritingThreadOptions {
  /** Starts a thread with the role `writer`. */
  readonly start: () => LedgerWorker
  /** Milliseconds since the epoch, whole. */
  readonly now: () => number
  readonly onCheckpoint?: ((checkpoint: LedgerCheckpoint) => void) | undefined
  readonly onUnclosed?: ((streams: readonly string[]) => void) | undefined
  readonly onFault?: ((message: string, fault: unknown) => void) | undefined
}

/** A ledger's writing side, whatever becomes of the thread behind it. All but `open` reject with the fault `ledger_unavailable`. */
export interface WritingThread {
  /** Begins a stream. @throws SetupError by rejecting */
  readonly open: () => Promise<void>
  readonly write: (entries: Uint8Array<ArrayBuffer>) => Promise<void>
  readonly checkpoint: () => Promise<LedgerCheckpoint>
  /** Whether something was recorded since the last checkpoint. */
  readonly isDue: () => boolean
  readonly close: () => Promise<void>
}

/** A thread that died is replaced with the next call, and the new one begins a stream. */
export function createWritingThread({
  start,
  now,
  onCheckpoint,
  onUnclosed,
  onFault,
}: WritingThreadOptions): WritingThread {
  let worker = start()
  let isDue = false

  function use(): LedgerWorker {
    if (worker.isGone()) {
      onFault?.('ledger: the writer thread has ended and is started again', undefined)
      worker = start()
    }
    return worker
  }

  function tell({ seq, checkpoints, unclosed }: Written): void {
    if (unclosed.length > 0) onUnclosed?.(unclosed)
    for (const checkpoint of checkpoints) onCheckpoint?.(checkpoint)
    // The record of a checkpoint itself needs no other.
    isDue = seq > (checkpoints.at(-1)?.seq ?? seq) + 1 || checkpoints.length === 0
  }

  async function call(ask: (thread: LedgerWorker) => Promise<Written>): Promise<Written> {
    try {
      const written = await ask(use())
      tell(written)
      return written
    } catch (error) {
      throw asLedgerFault(error)
    }
  }

  return {
    async open() {
      try {
        tell(await worker.ask('open', { now: now() }))
      } catch (error) {
        await worker.end()
        throw error
      }
    },
    async write(entries) {
      await call((thread) => thread.ask('write', { entries, now: now() }, [entries.buffer]))
    },
    async checkpoint() {
      const { checkpoints } = await call((thread) => thread.ask('checkpoint', { now: now() }))
      const checkpoint = checkpoints.at(-1)
      if (checkpoint === undefined) throw new Fault('ledger_unavailable', 'ledger: no checkpoint was written')
      return checkpoint
    },
    isDue: () => isDue,
    async close() {
      if (worker.isGone()) return
      try {
        const written = await worker.ask('close', { now: now() })
        if (written !== undefined) tell(written)
      } catch (error) {
        throw asLedgerFault(error)
      } finally {
        await worker.end()
      }
    },
  }
}
