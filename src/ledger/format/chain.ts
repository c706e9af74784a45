import { hash } from '../../core/hash.ts'
import { ledgerEntryBytesMax } from './encoding.ts'

/** Bytes of a chain hash: a SHA-256. */
export const chainHashBytes = 32

/**
 * A chain hash as a text of 32 characters, one a byte. Four times as fast as a buffer: hashing into
 * a text out of one reused buffer allocates next to nothing, and texts compare faster (Node 24).
 */
export type ChainHash = string

/**
 * What a stream's chain begins with: the SHA-256 of `modelward-ledger-1`, a line feed, the stream's
 * id as 32 hex digits and a line feed.
 *
 * @param stream 32 hex digits, drawn at random for each writer
 */
export function firstChainHash(stream: string): ChainHash {
  return hash('sha256', `modelward-ledger-1\n${stream}\n`, 'binary')
}

/**
 * The chain hash of a record: the SHA-256 of the hash before it, the record's number in eight
 * bytes, the highest first, and the encoded entry.
 *
 * @param body holds the entry from `start` to `end`, at most `ledgerEntryBytesMax` bytes
 */
export function nextChainHash(
  before: ChainHash,
  seq: number,
  body: Buffer,
  start: number,
  end: number,
): ChainHash {
  hashed.write(before, 0, chainHashBytes, 'latin1')
  hashed.writeUInt32BE(Math.floor(seq / 2 ** 32), chainHashBytes)
  hashed.writeUInt32BE(seq >>> 0, chainHashBytes + 4)
  body.copy(hashed, headBytes, start, end)
  return hash('sha256', viewOf(headBytes + end - start), 'binary')
}

/** The first bytes of what is hashed. Lengths recur, and a view costs a tenth of a hash. */
function viewOf(length: number): Buffer {
  const found = views[length]
  if (found !== undefined) return found
  const view = hashed.subarray(0, length)
  if (length < viewsMax) views[length] = view
  return view
}

const viewsMax = 1_024
const views: (Buffer | undefined)[] = new Array(viewsMax).fill(undefined)

const headBytes = chainHashBytes + 8
const hashed = Buffer.allocUnsafe(headBytes + ledgerEntryBytesMax)

/** Reads the chain hash that stands at `at`. */
export function readChainHash(body: Buffer, at: number): ChainHash {
  return body.toString('latin1', at, at + chainHashBytes)
}

/** A chain hash from its 64 hex digits. */
export function chainHashOf(hex: string): ChainHash {
  return Buffer.from(hex, 'hex').toString('latin1')
}

/** A chain hash as 64 hex digits. */
export function formatChainHash(chainHash: ChainHash): string {
  return Buffer.from(chainHash, 'latin1').toString('hex')
}
