import { recordBytesMax, recordsOf, writeLength } from '../../../ledger/format/block.ts'
import { linkBytes } from '../../../ledger/format/chain.ts'
import { linkText, linkTextOf } from '../../../ledger/format/ledger-link.ts'
import type { SqliteDatabase } from '../database.ts'

/** How far a stream has come: its last record's number, and the chain up to it. */
export interface StreamHead {
  readonly seq: number
  readonly link: Uint8Array
}

/** Records of one block at most: a query takes blocks apart whole. */
const blockRecordsMax = 128

/** Puts records behind a stream's head, within a transaction that the caller begins and ends. */
export interface StreamDraft {
  readonly add: (entry: Uint8Array) => void
  /** The head with all that was added. */
  readonly head: () => StreamHead
  /** Writes what is not yet a full block. */
  readonly finish: () => StreamHead
}

/** The table of blocks, for a writer. */
export interface BlockTable {
  readonly begin: (stream: number, head: StreamHead) => StreamDraft
  /** The head as it is in the file; undefined for a stream without records. */
  readonly findHead: (stream: number) => (StreamHead & { readonly lastEntry: Uint8Array }) | undefined
}

export function createBlockTable(database: SqliteDatabase): BlockTable {
  const insert = database.prepare(
    'INSERT INTO block (stream, first_seq, count, min_at, max_at, body) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const newest = database.prepare<{ first_seq: number; count: number; body: Uint8Array }>(
    'SELECT first_seq, count, body FROM block WHERE stream = ? ORDER BY id DESC LIMIT 1',
  )
  return {
    begin: (stream, from) =>
      createDraft(from, (firstSeq, count, minAt, maxAt, body) =>
        insert.run(stream, firstSeq, count, minAt, maxAt, body),
      ),
    findHead(stream) {
      const found = newest.get(stream)
      if (found === undefined) return undefined
      const last = recordsOf(found.body).at(-1)
      return last && { seq: found.first_seq + found.count - 1, link: last.link, lastEntry: last.entry }
    },
  }
}

type WriteBlock = (firstSeq: number, count: number, minAt: number, maxAt: number, body: Uint8Array) => void

/** What a block is written in, one after the other: its bytes are copied when it goes into the file. */
const bodyBytesMax = blockRecordsMax * recordBytesMax
let kept: Buffer | undefined

function createDraft(from: StreamHead, write: WriteBlock): StreamDraft {
  kept ??= Buffer.allocUnsafeSlow(bodyBytesMax)
  const body = kept
  let { seq } = from
  let link = linkText(from.link)
  let end = 0
  let count = 0
  let minAt = Number.POSITIVE_INFINITY
  let maxAt = 0

  function head(): StreamHead {
    return { seq, link: Buffer.from(link, 'latin1') }
  }

  function finish(): StreamHead {
    if (count > 0) {
      write(seq - count + 1, count, minAt, maxAt, body.subarray(0, end))
      end = 0
      count = 0
      minAt = Number.POSITIVE_INFINITY
      maxAt = 0
    }
    return head()
  }

  return {
    add(entry) {
      const start = writeLength(body, end, entry.length)
      body.set(entry, start)
      seq += 1
      count += 1
      link = linkTextOf(link, seq, body, start, start + entry.length)
      end = start + entry.length
      end += body.write(link, end, linkBytes, 'latin1')
      const at = entryTime(entry)
      minAt = Math.min(minAt, at)
      maxAt = Math.max(maxAt, at)
      if (count === blockRecordsMax) finish()
    },
    head,
    finish,
  }
}

/** `at` of an encoded entry: it comes third, behind the version and the event. */
function entryTime(entry: Uint8Array): number {
  let at = 0
  let scale = 1
  for (let index = 2; ; index += 1) {
    const next = entry[index]
    if (next === undefined) throw new RangeError('ledger: an entry ends too early')
    at += (next & 0x7f) * scale
    if (next < 0x80) return at
    scale *= 128
  }
}
