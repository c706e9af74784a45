import { bufferOf, walkEntries } from '../../ledger/format/block.ts'
import { type UsageEntry, UsageEntryReader } from '../../ledger/query/usage-entry.ts'

const reader = new UsageEntryReader()

/**
 * Calls `use` for each entry of a request. Behind an entry that is damaged the block's others do
 * not count: `ledger verify` names it, and usage of all others stays readable.
 */
export function forUsageEntries(bytes: Uint8Array, use: (entry: UsageEntry) => void): void {
  const body = bufferOf(bytes)
  try {
    walkEntries(body, (start, end) => {
      const entry = reader.read(body, start, end)
      if (entry !== undefined) use(entry)
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}
