import type { Clock } from '../core/time.ts'
import { createRecorder, type Recorder } from '../guard/recorder.ts'
import type { Scheme } from '../guard/scheme.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { LedgerMode, LedgerSink } from '../ledger/write/entry-writer.ts'
import type { LedgerAddresses } from '../ledger/write/record-address.ts'
import type { Peppers } from '../secrets/peppers.ts'

/** What a ward records, where to, and what an answer waits for. */
export interface WardLedgerOptions {
  /** Every verdict and every change is written to it; closed with the ward. @default none, and nothing is recorded */
  readonly ledger?: Ledger
  /**
   * `before`: an answer waits until its record is durable, and is 503 `ledger_unavailable` where that fails. `after`: it leaves at
   * once, and a record that could not be written is told to `onFault`.
   * @default 'before'
   */
  readonly ledgerMode?: LedgerMode
  /** @default 'whole' */
  readonly ledgerAddresses?: LedgerAddresses
  /** Told of each record once it is durable; without a ledger, at once. @default none */
  readonly sinks?: readonly LedgerSink[]
  /** Who makes the changes of this process where a change does not say: `cli`. @default nobody is named */
  readonly changedBy?: string
}

/** The recorder of a ward: off where there is neither ledger nor sink. */
export function createWardRecorder(
  options: WardLedgerOptions & {
    readonly schemes: readonly Scheme[]
    readonly peppers: Peppers
    readonly clock: Clock
    readonly monotonic: Clock
    readonly listenMs?: number
    readonly onFault: (message: string, fault: unknown) => void
  },
): Recorder {
  const { peppers, listenMs, ...rest } = options
  return createRecorder({
    ...rest,
    deriveKey: () => peppers.derive('ledger addresses v1'),
    isTimed: listenMs !== 0,
  })
}
