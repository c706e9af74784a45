import type { Clock } from '../../core/time.ts'
import type { Measures } from '../../telemetry/measures.ts'

/** What is read of a ledger that is written. */
export interface LedgerFiguresOptions {
  readonly measures: Measures
  /** Milliseconds, never jumps. */
  readonly monotonic: Clock
  /** How many records wait for their commit. */
  readonly pending: () => number
  /** Whether something was recorded since the last checkpoint. */
  readonly isCheckpointDue: () => boolean
  /** Whether nothing can be recorded just now, as far as is known. */
  readonly isOut: () => boolean
  /** Bytes of what holds the records. */
  readonly bytes: () => Promise<number>
}

export interface LedgerFigures {
  /** A checkpoint was written. */
  readonly checkpointed: () => void
  /** Has them read no more. */
  readonly end: () => void
}

/**
 * Has a ledger's figures read. A checkpoint that covers all records has no age: where nothing is
 * recorded, none is due.
 */
export function readLedgerFigures(options: LedgerFiguresOptions): LedgerFigures {
  const { measures, monotonic, isCheckpointDue, isOut } = options
  let checkpointedAt = monotonic()
  const ends = [
    measures.figure('ledger_pending', options.pending),
    measures.figure('ledger_bytes', options.bytes),
    measures.figure('ledger_checkpoint_age', () =>
      isCheckpointDue() ? (monotonic() - checkpointedAt) / 1_000 : 0,
    ),
    measures.figure('up', () => ({ ledger: isOut() ? 0 : 1 })),
  ]
  return {
    checkpointed() {
      checkpointedAt = monotonic()
    },
    end() {
      for (const end of ends) end()
    },
  }
}
