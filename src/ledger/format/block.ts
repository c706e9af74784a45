import { linkBytes } from './chain.ts'
import { ledgerEntryBytesMax } from './encoding.ts'

/** Some records of one stream that follow each other, as one commit writes them. */
export interface LedgerBlock {
  /** Blocks of all streams, in the order in which they were committed. */
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
  /** Each record: the length of its entry in bytes, an unsigned LEB128; the entry; its link, 32 bytes. */
  readonly body: Uint8Array
}

/** A record inside of a block: its entry, still encoded, and the link that was written with it. */
export interface BlockRecord {
  readonly entry: Uint8Array
  readonly link: Uint8Array
}

/** Most bytes of one record in a body. */
export const recordBytesMax: number = 3 + ledgerEntryBytesMax + linkBytes

/** The bytes of a block's body. */
export function encodeBlock(records: readonly BlockRecord[]): Buffer {
  let size = 0
  for (const { entry } of records) size += lengthBytes(entry.length) + entry.length + linkBytes
  const body = Buffer.allocUnsafe(size)
  let at = 0
  for (const { entry, link } of records) {
    at = writeLength(body, at, entry.length)
    body.set(entry, at)
    at += entry.length
    body.set(link, at)
    at += linkBytes
  }
  return body
}

/** Writes the length that stands before an entry; gives where the entry begins. */
export function writeLength(body: Buffer, start: number, length: number): number {
  let at = start
  let rest = length
  while (rest > 0x7f) {
    body[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  body[at++] = rest
  return at
}

/** Where a record lies in a body: its entry from `start` to `end`, its link from there to `next`. */
export interface RecordFrame {
  readonly start: number
  readonly end: number
  readonly next: number
}

/** Where the record lies that begins at `at`; undefined where none does. A length is written one way only: with no zeros in front. */
export function frameOf(body: Buffer, at: number): RecordFrame | undefined {
  let start = at
  let length = 0
  for (let scale = 1; ; scale *= 128) {
    const next = body[start++]
    if (next === undefined || scale > 128 * 128) return undefined
    length += (next & 0x7f) * scale
    if (next >= 0x80) continue
    if (next === 0) return undefined
    break
  }
  const end = start + length
  if (length > ledgerEntryBytesMax || end + linkBytes > body.length) return undefined
  return { start, end, next: end + linkBytes }
}

/**
 * Calls for each entry of a block's body with where it begins and ends in it.
 *
 * @throws RangeError for bytes that are no body, once it gets there
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

/**
 * Takes a body apart, without copying it.
 *
 * @throws RangeError for bytes that are no body
 */
export function recordsOf(body: Uint8Array): readonly BlockRecord[] {
  const records: BlockRecord[] = []
  walkEntries(Buffer.from(body.buffer, body.byteOffset, body.byteLength), (start, end) => {
    records.push({ entry: body.subarray(start, end), link: body.subarray(end, end + linkBytes) })
  })
  return records
}

function lengthBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : 3
}
