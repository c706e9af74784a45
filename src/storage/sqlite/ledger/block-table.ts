import {
  bufferOf,
  lastFrameOf,
  recordBytesMax,
  writeChainHash,
  writeFramed,
} from '../../../ledger/format/block.ts'
import { type ChainHash, nextChainHash, readChainHash } from '../../../ledger/format/chain.ts'
import { entryTime } from '../../../ledger/format/entry-view.ts'
import type { SqliteDatabase } from '../database.ts'
import { createChangeNote } from './latest-change.ts'

/** How far a stream has come: its last record's number, and the chain up to it. */
export interface StreamHead {
  readonly seq: number
  readonly chainHash: ChainHash
}

/** Most records of a block: a query takes whole blocks apart. */
const blockRecordsMax = 128

/** Adds records behind a stream's head, within a transaction of the caller's. */
export interface StreamDraft {
  readonly add: (entry: Uint8Array) => void
  /** The head with all that was added. */
  readonly head: () => StreamHead
  /** Writes the last block, full or not. */
  readonly finish: () => StreamHead
}

/** The table of blocks, for a writer. */
export interface BlockTable {
  readonly begin: (stream: number, head: StreamHead) => StreamDraft
  /** The head in the file, and its event's number; undefined for a stream without records. */
  readonly findHead: (stream: number) => (StreamHead & { readonly lastEvent: number }) | undefined
}

export function createBlockTable(database: SqliteDatabase): BlockTable {
  const noteChange = createChangeNote(database)
  const insert = database.prepare(
    'INSERT INTO block (stream, first_seq, count, min_at, max_at, body) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const newest = database.prepare<{ first_seq: number; count: number; body: Uint8Array }>(
    'SELECT first_seq, count, body FROM block WHERE stream = ? ORDER BY id DESC LIMIT 1',
  )
  return {
    begin: (stream, from) =>
      createDraft(
        from,
        (firstSeq, count, minAt, maxAt, body) => insert.run(stream, firstSeq, count, minAt, maxAt, body),
        noteChange,
      ),
    findHead(stream) {
      const found = newest.get(stream)
      if (found === undefined) return undefined
      const body = bufferOf(found.body)
      const { start, end } = lastFrameOf(body)
      return {
        seq: found.first_seq + found.count - 1,
        chainHash: readChainHash(body, end),
        lastEvent: body[start + 1] ?? 0,
      }
    },
  }
}

type WriteBlock = (firstSeq: number, count: number, minAt: number, maxAt: number, body: Uint8Array) => void

/** Blocks are written one after the other, and SQLite copies their bytes: one buffer serves all. */
let reusedBody: Buffer | undefined

function createDraft(
  from: StreamHead,
  write: WriteBlock,
  noteChange: (entry: Uint8Array) => void,
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
      noteChange(entry)
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
