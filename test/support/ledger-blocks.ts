import { createHash } from 'node:crypto'
import { frameOf, walkEntries } from '../../src/ledger/format/block.ts'

/** A record of a block's body: its entry, still encoded, and the chain hash stored with it. */
export interface BlockRecord {
  readonly entry: Uint8Array
  readonly chainHash: Uint8Array
}

/**
 * The chain as `docs/reference/ledger.md` describes it, without the code that it is compared with.
 */
export function firstHash(stream: string): Buffer {
  return createHash('sha256').update(`modelward-ledger-1\n${stream}\n`).digest()
}

export function nextHash(before: Uint8Array, seq: number, entry: Uint8Array): Buffer {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(seq))
  return createHash('sha256').update(before).update(number).update(entry).digest()
}

/** Undoes `recordsOf`. */
export function encodeBlock(records: readonly BlockRecord[]): Buffer {
  return Buffer.concat(records.flatMap(({ entry, chainHash }) => [lengthOf(entry.length), entry, chainHash]))
}

/** Takes a body apart. @throws RangeError for bytes that are no body */
export function recordsOf(bytes: Uint8Array): readonly BlockRecord[] {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const records: BlockRecord[] = []
  let at = 0
  walkEntries(body, (start, end) => {
    const next = frameOf(body, at)?.next ?? end
    records.push({ entry: body.subarray(start, end), chainHash: body.subarray(end, next) })
    at = next
  })
  return records
}

function lengthOf(length: number): Uint8Array {
  const bytes: number[] = []
  let rest = length
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Uint8Array.of(...bytes, rest)
}
