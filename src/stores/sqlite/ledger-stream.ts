import { encodeBlock, recordsOf } from '../../core/ledger-block.ts'
import { nextLink } from '../../core/ledger-chain.ts'
import type { SqliteDatabase } from './database.ts'

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

function createDraft(from: StreamHead, write: WriteBlock): StreamDraft {
  let { seq, link } = from
  let records: { readonly entry: Uint8Array; readonly link: Uint8Array }[] = []
  let minAt = Number.POSITIVE_INFINITY
  let maxAt = 0

  function finish(): StreamHead {
    if (records.length > 0) {
      write(seq - records.length + 1, records.length, minAt, maxAt, encodeBlock(records))
      records = []
      minAt = Number.POSITIVE_INFINITY
      maxAt = 0
    }
    return { seq, link }
  }

  return {
    add(entry) {
      seq += 1
      link = nextLink(link, seq, entry)
      records.push({ entry, link })
      const at = entryTime(entry)
      minAt = Math.min(minAt, at)
      maxAt = Math.max(maxAt, at)
      if (records.length === blockRecordsMax) finish()
    },
    head: () => ({ seq, link }),
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
