import { viewLedgerEntry } from '../query/record-view.ts'
import type { LedgerSink } from './entry-writer.ts'

/**
 * A sink that writes each record as a line of JSON, for whatever collects a process's output.
 *
 * @param stream @default standard output
 * @example
 * await openModelward({ data, sinks: [stdoutSink()] })
 */
export function stdoutSink(stream: { write(line: string): unknown } = process.stdout): LedgerSink {
  return (entry) => void stream.write(`${JSON.stringify(viewLedgerEntry(entry))}\n`)
}
