import { type ChainHash, chainHashBytes } from './chain.ts'
import { ledgerEntryBytesMax, VarintReader, writeVarint } from './encoding.ts'

/** Consecutive records of one stream, as one commit writes them. */
export interface LedgerBlock {
  /** Blocks of all streams are numbered in the order of their commits. */
  readonly id: number
  /** The stream's id, 32 hex digits. */
  readonly stream: string
  /** Number of its first record. */
  readonly firstSeq: number
  /** How many records it has. */
  readonly count: number
  /** The least and the greatest `at` of its records. */
  readonly minAt: number
  readonly maxAt: number
  /** Each record: the entry's length in bytes, a varint; the entry; its chain hash, 32 bytes. */
  readonly body: Uint8Array
}

/** Most bytes of one record in a body. */
export const recordBytesMax: number = 3 + ledgerEntryBytesMax + chainHashBytes

/** The same bytes as a buffer, which reads and compares faster; nothing is copied. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Writes an entry behind its length; returns where it ends, and its chain hash belongs. */
export function writeFramed(body: Buffer, at: number, entry: Uint8Array): number {
  const start = writeVarint(body, at, entry.length)
  body.set(entry, start)
  return start + entry.length
}

/** Writes a chain hash; returns where it ends, and the next record begins. */
export function writeChainHash(body: Buffer, at: number, chainHash: ChainHash): number {
  return at + body.write(chainHash, at, chainHashBytes, 'latin1')
}

/** Where a record lies in a body: its entry from `start` to `end`, its chain hash up to `next`. */
export interface RecordFrame {
  readonly start: number
  readonly end: number
  readonly next: number
}

const length = new VarintReader()

/**
 * The record that begins at `at`; undefined without one. A length has one encoding only,
 * without zeros at its end, so that two bodies never hold the same records.
 */
export function frameOf(body: Buffer, at: number): RecordFrame | undefined {
  const bytes = length.read(body, at, body.length)
  const start = length.at
  if (!(bytes > 0 && bytes <= ledgerEntryBytesMax) || body[start - 1] === 0) return undefined
  const end = start + bytes
  const next = end + chainHashBytes
  return next > body.length ? undefined : { start, end, next }
}

/**
 * Calls `visit` for each entry of a body, with where it begins and ends.
 *
 * @throws RangeError for bytes that are no body, after the entries before them
 */
export function walkEntries(body: Buffer, visit: (start: number, end: number, index: number) => void): void {
  let at = 0
  for (let index = 0; at < body.length; index += 1) {
    const frame = frameOf(body, at)
    if (frame === undefined) throw new RangeError('ledger: a block ends in the middle')
    visit(frame.start, frame.end, index)
    at = frame.next
  }
}

/** The last record of a body. @throws RangeError for bytes that are no body, or no record */
export function lastFrameOf(body: Buffer): RecordFrame {
  let last: RecordFrame | undefined
  for (let at = 0; at < body.length; at = last.next) {
    last = frameOf(body, at)
    if (last === undefined) break
  }
  if (last === undefined) throw new RangeError('ledger: a block ends in the middle')
  return last
}
