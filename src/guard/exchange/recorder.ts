import type { KeyObject } from 'node:crypto'
import { createRetries, type Retries } from '../../core/retries.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { type ChangeRecorder, createChangeRecorder } from '../../ledger/write/change-recorder.ts'
import {
  createEntryWriter,
  type EntryWriter,
  type LedgerMode,
  type LedgerSink,
} from '../../ledger/write/entry-writer.ts'
import { createRecordAddress, type LedgerAddresses } from '../../ledger/write/record-address.ts'
import { RefusalSummary } from '../../ledger/write/refusal-summary.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { type Scheme, withBearer } from '../scheme.ts'
import { AbandonedExchanges } from './abandoned-exchanges.ts'
import type { RecordDeps } from './exchange-deps.ts'

/** Where decisions and changes are recorded, and how. */
export interface RecorderOptions {
  /** @default none */
  readonly ledger?: Ledger | undefined
  readonly ledgerMode?: LedgerMode | undefined
  readonly ledgerAddresses?: LedgerAddresses | undefined
  readonly sinks?: readonly LedgerSink[] | undefined
  /** The author of changes that name none: `cli`. */
  readonly changedBy?: string | undefined
  /** How far the changes of the keys' store have come. */
  readonly latestChange: () => Promise<number>
  readonly schemes: readonly Scheme[]
  readonly clock: Clock
  readonly monotonic: Clock
  /** For hashed addresses. */
  readonly deriveKey: () => KeyObject
  /** Ends the minutes in which refused requests are counted. */
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

/** What decisions, jobs and changes are recorded with. */
export interface Recorder {
  /** For exchanges; undefined where there is neither ledger nor sink. */
  readonly records: RecordDeps | undefined
  readonly changes: ChangeRecorder
  /** For jobs. */
  readonly writer: EntryWriter
  /** For faults that no answer can report. */
  readonly telemetry: Telemetry
  /** Exchanges whose records wait for their handlers. */
  readonly abandoned: AbandonedExchanges
  /** What could not be settled while the limiter was out. */
  readonly retries: Retries
  /** Writes the records and the counts that are left. */
  readonly close: () => Promise<void>
}

export function createRecorder(options: RecorderOptions): Recorder {
  const { ledger, schemes, clock, monotonic, scheduler, telemetry, changedBy, latestChange } = options
  const writer = createEntryWriter({ ledger, mode: options.ledgerMode, sinks: options.sinks, telemetry })
  const address = createRecordAddress(options.ledgerAddresses ?? 'whole', options.deriveKey)
  const refusals = new RefusalSummary({
    write: writer.write,
    formatAddress: address.ofGroup,
    clock,
    monotonic,
    scheduler,
    telemetry,
  })
  let closed: Promise<void> | undefined
  // Some demands take a bearer token whatever the schemes are: no key of either is recorded.
  const all = withBearer(schemes)
  const abandoned = new AbandonedExchanges(scheduler)
  const retries = createRetries(scheduler)
  return {
    records: writer.isOn ? { writer, refusals, address, schemes: all, clock, monotonic } : undefined,
    changes: createChangeRecorder({ writer, clock, by: changedBy ?? null, latestChange }),
    writer,
    telemetry,
    abandoned,
    retries,
    close() {
      abandoned.close()
      closed ??= retries.close().then(() => refusals.close())
      return closed
    },
  }
}
