import type { KeyObject } from 'node:crypto'
import type { Clock } from '../core/time.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type ChangeRecorder, createChangeRecorder } from '../ledger/write/change-recorder.ts'
import {
  createEntryWriter,
  type EntryWriter,
  type LedgerMode,
  type LedgerSink,
} from '../ledger/write/entry-writer.ts'
import { createRecordAddress, type LedgerAddresses } from '../ledger/write/record-address.ts'
import { Flood } from '../ledger/write/refusal-summary.ts'
import type { RecordingParts } from './exchange.ts'
import type { Scheme } from './scheme.ts'

/** Where verdicts and changes are recorded, and how. */
export interface RecorderOptions {
  /** @default none */
  readonly ledger?: Ledger | undefined
  readonly ledgerMode?: LedgerMode | undefined
  readonly ledgerAddresses?: LedgerAddresses | undefined
  readonly sinks?: readonly LedgerSink[] | undefined
  /** Who makes changes, where a change does not say: `cli`. */
  readonly changedBy?: string | undefined
  readonly schemes: readonly Scheme[]
  readonly clock: Clock
  readonly monotonic: Clock
  /** For hashed addresses. */
  readonly deriveKey: () => KeyObject
  /** Whether counts of refused requests are written when their minute is over, or when something else comes. */
  readonly isTimed: boolean
  readonly onFault: (message: string, fault: unknown) => void
}

/** Records what a gate decides, and what is changed. */
export interface Recorder {
  /** False where there is neither ledger nor sink: an adapter does nothing then. Never changes. */
  readonly isOn: boolean
  /** What exchanges are recorded with; undefined where nothing is. */
  readonly parts: RecordingParts | undefined
  readonly changes: ChangeRecorder
  /** Where jobs are recorded. */
  readonly writer: EntryWriter
  /** Told what nobody is left to be told of. */
  readonly onFault: (message: string, fault: unknown) => void
  /** Writes the counts that are left, and closes the ledger. */
  readonly close: () => Promise<void>
}

export function createRecorder(options: RecorderOptions): Recorder {
  const { ledger, schemes, clock, monotonic, isTimed, onFault, changedBy } = options
  const writer = createEntryWriter({ ledger, mode: options.ledgerMode, sinks: options.sinks, onFault })
  const address = createRecordAddress(options.ledgerAddresses ?? 'whole', options.deriveKey)
  const flood = new Flood({
    write: writer.write,
    formatAddress: address.ofGroup,
    clock,
    monotonic,
    isTimed,
    onFault,
  })
  const parts = { writer, flood, address, schemes, clock, monotonic }
  let closed: Promise<void> | undefined
  return {
    isOn: writer.isOn,
    parts: writer.isOn ? parts : undefined,
    changes: createChangeRecorder({ writer, clock, by: changedBy ?? null }),
    writer,
    onFault,
    close() {
      closed ??= flood.close().finally(() => ledger?.close())
      return closed
    },
  }
}
