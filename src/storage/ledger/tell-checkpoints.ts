import type { LedgerCheckpoint } from '../../ledger/format/checkpoint.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'

/** The number of the record of a stream's opening: its first. */
const openingSeq = 1

/**
 * Hands each checkpoint to what stores it; where nothing does, it is an event. Never both: `serve`
 * prints it as a line of its own. The one that begins a stream is no event: it says of nothing but
 * the opening, and would come with every start.
 */
export function tellCheckpoints({
  onCheckpoint,
  telemetry,
}: {
  readonly onCheckpoint?: ((checkpoint: LedgerCheckpoint) => void) | undefined
  readonly telemetry?: Telemetry | undefined
}): (checkpoint: LedgerCheckpoint) => void {
  if (onCheckpoint !== undefined) return onCheckpoint
  return ({ stream, seq }) => {
    if (seq > openingSeq) telemetry?.event('ledger.checkpoint', { stream, seq })
  }
}
