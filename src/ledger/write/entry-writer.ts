import { Fault } from '../../core/fault.ts'
import type { LedgerEntry } from '../format/record.ts'
import type { Ledger } from '../ledger.ts'

/** Told of each record, after it is durable where there is a ledger. What it throws is told to `onFault` and breaks nothing else. */
export type LedgerSink = (entry: LedgerEntry) => void

/** Whether answers wait until their records are durable, or leave at once. */
export type LedgerMode = 'before' | 'after'

/** Writes entries to the ledger and to the sinks. */
export interface EntryWriter {
  /** Whether there is anything to write to. */
  readonly isOn: boolean
  /**
   * Undefined where nobody has to wait: there is no ledger, or answers leave at once, and what fails is told.
   *
   * @throws by rejecting with what the ledger rejected with, whose promise this is; `ledgerFault` makes a fault of it
   */
  readonly write: (entry: LedgerEntry) => Promise<void> | undefined
  /**
   * Resolves where a record can be expected to be written: at once unless the last one was not.
   *
   * @throws Fault `ledger_unavailable`, by rejecting
   */
  readonly ensureWritable: () => Promise<void>
}

export interface EntryWriterOptions {
  /** @default none: what is recorded goes to the sinks alone */
  readonly ledger?: Ledger | undefined
  /** @default 'before' */
  readonly mode?: LedgerMode | undefined
  /** @default none */
  readonly sinks?: readonly LedgerSink[] | undefined
  readonly onFault: (message: string, fault: unknown) => void
}

export function createEntryWriter({
  ledger,
  mode = 'before',
  sinks = [],
  onFault,
}: EntryWriterOptions): EntryWriter {
  let hasFailed = false

  function tell(entry: LedgerEntry): void {
    for (const sink of sinks) {
      try {
        sink(entry)
      } catch (thrown) {
        onFault('a sink of the ledger failed', thrown)
      }
    }
  }

  /** The promise that was looked after last: records of one commit have one, and are looked after once. */
  let watched: Promise<void> | undefined

  function append(to: Ledger, entry: LedgerEntry): Promise<void> {
    const written = to.append(entry)
    if (written !== watched) {
      watched = written
      written.then(
        () => {
          hasFailed = false
        },
        () => {
          hasFailed = true
        },
      )
    }
    return sinks.length === 0 ? written : written.then(() => tell(entry))
  }

  return {
    isOn: ledger !== undefined || sinks.length > 0,
    write(entry) {
      if (ledger === undefined) {
        tell(entry)
        return undefined
      }
      const written = append(ledger, entry)
      if (mode === 'before') return written
      written.catch((thrown: unknown) => onFault('a record was not written', ledgerFault(thrown)))
      return undefined
    },
    async ensureWritable() {
      if (ledger === undefined || mode === 'after' || !hasFailed) return
      // The one thing that can be written and says nothing that is not so.
      await ledger.checkpoint().catch((thrown: unknown) => {
        throw ledgerFault(thrown)
      })
      hasFailed = false
    },
  }
}

/** What a ledger, which may be an application's own, rejected with, as the fault that is answered. */
export function ledgerFault(thrown: unknown): Fault {
  if (thrown instanceof Fault && thrown.code === 'ledger_unavailable') return thrown
  return new Fault('ledger_unavailable', 'a record could not be written', { cause: thrown })
}
