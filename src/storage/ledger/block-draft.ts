import { recordBytesMax, writeChainHash, writeFramed } from '../../ledger/format/block.ts'
import { type ChainHash, firstChainHash, nextChainHash } from '../../ledger/format/chain.ts'
import { entryTime } from '../../ledger/format/entry-view.ts'

/** How far a stream has come: its last record's number, and the chain up to it. */
export interface StreamHead {
  readonly seq: number
  readonly chainHash: ChainHash
}

/** Where a stream begins. */
export function emptyHead(stream: string): StreamHead {
  return { seq: 0, chainHash: firstChainHash(stream) }
}

/** Most records of a block: a query takes whole blocks apart. */
const blockRecordsMax = 128

/** Adds records behind a stream's head. */
export interface StreamDraft {
  readonly add: (entry: Uint8Array) => void
  /** The head with all that was added. */
  readonly head: () => StreamHead
  /** Writes the last block, full or not. */
  readonly finish: () => StreamHead
}

/** Writes a block, whose body is reused for the next: copy it, or be done with it. */
export type WriteBlock = (
  firstSeq: number,
  count: number,
  minAt: number,
  maxAt: number,
  body: Uint8Array,
) => void

/** Blocks are written one after the other, and their bytes are copied: one buffer serves all. */
let reusedBody: Buffer | undefined

/**
 * Chains records behind a head, block by block.
 *
 * @param noteEntry called with each entry before it is added
 */
export function createStreamDraft(
  from: StreamHead,
  write: WriteBlock,
  noteEntry: (entry: Uint8Array) => void = () => {},
): StreamDraft {
  reusedBody ??= Buffer.allocUnsafeSlow(blockRecordsMax * recordBytesMax)
  const body = reusedBody
  let { seq, chainHash } = from
  let end = 0
  let count = 0
  let minAt = Number.POSITIVE_INFINITY
  let maxAt = 0

  function finish(): StreamHead {
    if (count > 0) {
      write(seq - count + 1, count, minAt, maxAt, body.subarray(0, end))
      end = 0
      count = 0
      minAt = Number.POSITIVE_INFINITY
      maxAt = 0
    }
    return { seq, chainHash }
  }

  return {
    add(entry) {
      noteEntry(entry)
      seq += 1
      count += 1
      const entryEnd = writeFramed(body, end, entry)
      const start = entryEnd - entry.length
      chainHash = nextChainHash(chainHash, seq, body, start, entryEnd)
      end = writeChainHash(body, entryEnd, chainHash)
      const at = entryTime(body, start, entryEnd)
      minAt = Math.min(minAt, at)
      maxAt = Math.max(maxAt, at)
      if (count === blockRecordsMax) finish()
    },
    head: () => ({ seq, chainHash }),
    finish,
  }
}

/** Calls `add` for each of the entries that a commit carries, each behind its length. */
export function addEntries(entries: Uint8Array, add: (entry: Uint8Array) => void): void {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
  for (let at = 0; at < entries.length; ) {
    const end = at + 4 + view.getUint32(at, true)
    add(entries.subarray(at + 4, end))
    at = end
  }
}
