import { linkBytes } from './ledger-chain.ts'

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

/** The bytes of a block's body. */
export function encodeBlock(records: readonly BlockRecord[]): Buffer {
  let size = 0
  for (const { entry } of records) size += lengthBytes(entry.length) + entry.length + linkBytes
  const body = Buffer.allocUnsafe(size)
  let at = 0
  for (const { entry, link } of records) {
    let rest = entry.length
    while (rest > 0x7f) {
      body[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    body[at++] = rest
    body.set(entry, at)
    at += entry.length
    body.set(link, at)
    at += linkBytes
  }
  return body
}

/**
 * Takes a body apart, without copying it.
 *
 * @throws RangeError for bytes that are no body, once it gets there
 */
export function* recordsOf(body: Uint8Array): Generator<BlockRecord, void, undefined> {
  let at = 0
  while (at < body.length) {
    let length = 0
    let shift = 0
    for (;;) {
      const next = body[at++]
      if (next === undefined || shift > 21) throw new RangeError('ledger: a block ends in the middle')
      length |= (next & 0x7f) << shift
      if (next < 0x80) break
      shift += 7
    }
    const end = at + length + linkBytes
    if (end > body.length) throw new RangeError('ledger: a block ends in the middle')
    yield { entry: body.subarray(at, at + length), link: body.subarray(at + length, end) }
    at = end
  }
}

function lengthBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : 3
}
