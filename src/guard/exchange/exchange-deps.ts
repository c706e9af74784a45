import type { Retries } from '../../core/retries.ts'
import type { Clock } from '../../core/time.ts'
import type { EntryWriter } from '../../ledger/write/entry-writer.ts'
import type { RecordAddress } from '../../ledger/write/record-address.ts'
import type { RefusalSummary } from '../../ledger/write/refusal-summary.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { Scheme } from '../scheme.ts'
import type { AbandonedExchanges } from './abandoned-exchanges.ts'

/** What all records of a guard's exchanges are written with. */
export interface RecordDeps {
  readonly writer: EntryWriter
  readonly refusals: RefusalSummary
  readonly address: RecordAddress
  readonly schemes: readonly Scheme[]
  readonly clock: Clock
  readonly monotonic: Clock
}

/** What all exchanges of a guard share. */
export interface ExchangeDeps {
  /** Undefined where nothing is recorded. */
  readonly records: RecordDeps | undefined
  /** For figures, and a record that was not written when no client was left to wait for it. */
  readonly telemetry: Telemetry
  readonly monotonic: Clock
  /** Where records wait until a handler has settled what it reserved. */
  readonly abandoned: AbandonedExchanges
  /** What could not be settled while the limiter was out. */
  readonly retries: Retries
}

/** Whether exchanges are told of their answers. */
export function isFollowed({ records, telemetry }: Pick<ExchangeDeps, 'records' | 'telemetry'>): boolean {
  return records !== undefined || telemetry.measures.isOn
}
