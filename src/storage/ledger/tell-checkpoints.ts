import type { LedgerCheckpoint } from '../../ledger/format/checkpoint.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'

/**
 * Hands each checkpoint to what stores it; where nothing does, it is an event. Never both: `serve`
 * prints it as a line of its own.
 */
export function tellCheckpoints({
  onCheckpoint,
  telemetry,
}: {
  readonly onCheckpoint?: ((checkpoint: LedgerCheckpoint) => void) | undefined
  readonly telemetry?: Telemetry | undefined
}): (checkpoint: LedgerCheckpoint) => void {
  return onCheckpoint ?? (({ stream, seq }) => telemetry?.event('ledger.checkpoint', { stream, seq }))
}
