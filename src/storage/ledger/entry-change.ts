import { bufferOf, type LedgerBlock, walkEntries } from '../../ledger/format/block.ts'
import { decodeEntry } from '../../ledger/format/encoding.ts'
import { changeEvents, ledgerEvents } from '../../ledger/format/event.ts'
import { changeOf } from '../../ledger/format/record.ts'

const changes: ReadonlySet<number> = new Set(changeEvents.map((name) => ledgerEvents[name]))

/** The byte of an entry that names its event. */
const eventOffset = 1

/**
 * How far the changes of keys had come by this entry; most are no changes, and are not decoded.
 */
export function changeOfEntry(entry: Uint8Array): number {
  return changes.has(entry[eventOffset] ?? 0) ? changeOf(decodeEntry(entry)) : 0
}

/** The latest change that a block's records know of; 0 if they know of none. */
export function latestChangeIn({ body }: Pick<LedgerBlock, 'body'>): number {
  const bytes = bufferOf(body)
  let latest = 0
  walkEntries(bytes, (start, end) => {
    latest = Math.max(latest, changeOfEntry(bytes.subarray(start, end)))
  })
  return latest
}
