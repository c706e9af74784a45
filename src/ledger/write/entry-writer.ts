import { Fault } from '../../core/fault.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { TraceContext } from '../../telemetry/trace-context.ts'
import type { LedgerEntry } from '../format/record.ts'
import type { Ledger } from '../ledger.ts'
import { traceCommits } from './trace-commits.ts'

/**
 * Called with each record; if there is a ledger, once the record is durable. An error that it
 * throws becomes an event and stops nothing else.
 */
export type LedgerSink = (entry: LedgerEntry) => void

/** Whether answers wait until their records are durable, or leave at once. */
export type LedgerMode = 'before' | 'after'

/** Writes entries to the ledger and to the sinks. */
export interface EntryWriter {
  /** Whether there is anything to write to. */
  readonly isOn: boolean
  /**
   * Undefined if no answer has to wait: there is no ledger, or answers leave at once and failures
   * are reported as `ledger.record_lost`.
   *
   * @param under the span of what is recorded, where it is traced
   * @throws what the ledger rejected with, by rejecting; `ledgerFault` makes a fault of it
   */
  readonly write: (entry: LedgerEntry, under?: TraceContext) => Promise<void> | undefined
  /**
   * Resolves if a record can be expected to be written: at once unless the last one failed.
   *
   * @throws Fault `ledger_unavailable`, by rejecting
   */
  readonly ensureWritable: () => Promise<void>
  /** Whether the ledger refuses all that answers would wait for, because its disk has stopped. */
  readonly isStalled: () => boolean
}

export interface EntryWriterOptions {
  /** @default none: entries go to the sinks alone */
  readonly ledger?: Ledger | undefined
  /** @default 'before' */
  readonly mode?: LedgerMode | undefined
  /** @default none */
  readonly sinks?: readonly LedgerSink[] | undefined
  readonly telemetry: Telemetry
}

export function createEntryWriter({
  ledger,
  mode = 'before',
  sinks = [],
  telemetry,
}: EntryWriterOptions): EntryWriter {
  /** The promise that was watched last: entries of one commit share a promise, watched once. */
  let watched: Promise<void> | undefined
  let hasFailed = false
  const traceCommit = telemetry.tracing && traceCommits(telemetry.tracing)

  function succeeded(): void {
    hasFailed = false
  }

  function failed(): void {
    hasFailed = true
  }

  function callSinks(entry: LedgerEntry, trace?: TraceContext): void {
    for (const sink of sinks) {
      try {
        sink(entry)
      } catch (thrown) {
        telemetry.event('ledger.sink_failed', {}, thrown, { requestId: entry.requestId, trace })
      }
    }
  }

  return {
    isOn: ledger !== undefined || sinks.length > 0,
    write(entry, under) {
      if (ledger === undefined) {
        callSinks(entry, under)
        return undefined
      }
      const appended = ledger.append(entry)
      if (appended !== watched) {
        watched = appended
        appended.then(succeeded, failed)
      }
      if (under !== undefined) traceCommit?.(appended, under)
      const written = sinks.length === 0 ? appended : appended.then(() => callSinks(entry, under))
      if (mode === 'before') return written
      const { requestId } = entry
      written.catch((thrown: unknown) =>
        telemetry.event('ledger.record_lost', {}, ledgerFault(thrown), { requestId, trace: under }),
      )
      return undefined
    },
    isStalled: () => mode === 'before' && ledger?.isStalled?.() === true,
    async ensureWritable() {
      if (ledger === undefined || mode === 'after' || !hasFailed) return
      // A checkpoint can always be written: it states nothing but what the stream has.
      await ledger.checkpoint().catch((thrown: unknown) => {
        throw ledgerFault(thrown)
      })
      hasFailed = false
    },
  }
}

/** The fault to answer for what a ledger, which may be an application's own, rejected with. */
export function ledgerFault(thrown: unknown): Fault {
  if (thrown instanceof Fault && thrown.code === 'ledger_unavailable') return thrown
  return new Fault('ledger_unavailable', 'a record could not be written', { cause: thrown })
}
