import { hash } from 'node:crypto'

/** Bytes of a link: a SHA-256. */
export const linkBytes = 32

/**
 * What a stream's chain begins with: the SHA-256 of `modelward-ledger-1`, a line feed, the stream's id as 32 hex digits and a line feed.
 *
 * @param stream 32 hex digits, drawn at random for each writer
 */
export function firstLink(stream: string): Buffer {
  return hash('sha256', `modelward-ledger-1\n${stream}\n`, 'buffer')
}

/** The link of a record: the SHA-256 of the link before it, the record's number in eight bytes, the highest first, and the encoded entry. */
export function nextLink(before: Uint8Array, seq: number, entry: Uint8Array): Buffer {
  const text = Buffer.allocUnsafe(linkBytes + 8 + entry.length)
  text.set(before)
  text.writeUInt32BE(Math.floor(seq / 2 ** 32), linkBytes)
  text.writeUInt32BE(seq >>> 0, linkBytes + 4)
  text.set(entry, linkBytes + 8)
  // By way of a string: a digest that is handed over as a buffer takes twice as long (Node 24).
  return Buffer.from(hash('sha256', text, 'binary'), 'latin1')
}
