import { ledgerEventOf, ledgerEvents } from './event.ts'
import type { LedgerEntry } from './record.ts'

/** Most bytes of a text field as UTF-8; a longer one is cut at a character and ends in `…`. */
const ledgerTextBytesMax = 256
/** Most bytes of `detail` as JSON; a larger one is `{"cut":true}`. */
const ledgerDetailBytesMax = 2_000
/** Most measures of an entry, and most bytes that an encoded one can have. */
export const ledgerMeasuresMax = 16
export const ledgerEntryBytesMax: number = 16_384

const version = 1

/**
 * Encodes an entry. Each entry has one encoding only, so that its hash is well defined;
 * docs/reference/ledger.md has it byte by byte, with vectors. A version, the event's number, then
 * each field in a fixed order. Integers are varints, plus one if null is written as 0; texts are
 * their length in bytes plus one, or 0 for null, and UTF-8.
 *
 * @throws TypeError for a number that is not a whole one from 0 on
 */
export function encodeEntry(entry: LedgerEntry): Buffer {
  return Buffer.from(scratch.subarray(0, writeEntry(entry, scratch, 0)))
}

/**
 * Encodes an entry into a buffer with room for `ledgerEntryBytesMax` bytes from `start` on, so that
 * records of one commit need no buffer each.
 *
 * @returns where the entry ends
 * @throws TypeError for a number that is not a whole one from 0 on
 */
export function writeEntry(entry: LedgerEntry, target: Buffer, start: number): number {
  let at = start
  target[at++] = version
  target[at++] = ledgerEvents[entry.event]
  at = writeVarint(target, at, entry.at)
  at = writeText(target, at, entry.requestId)
  at = writeText(target, at, entry.clientRequestId)
  at = writeText(target, at, entry.code)
  at = writeText(target, at, entry.keyId)
  at = writeText(target, at, entry.owner)
  at = writeText(target, at, entry.method)
  at = writeText(target, at, entry.route)
  at = writeVarint(target, at, entry.status === null ? 0 : entry.status + 1)
  at = writeVarint(target, at, entry.latencyUs === null ? 0 : entry.latencyUs + 1)
  at = writeMeasures(target, at, entry.measures)
  at = writeText(target, at, entry.address)
  return writeText(target, at, entry.detail === null ? null : detailOf(entry.detail), ledgerDetailBytesMax)
}

function writeText(
  target: Buffer,
  at: number,
  value: string | null,
  max: number = ledgerTextBytesMax,
): number {
  if (value === null) {
    target[at] = 0
    return at + 1
  }
  // Most texts are short and ASCII: their length takes one byte, which is written when it is known.
  if (value.length < 42) {
    const written = target.write(value, at + 1)
    target[at] = written + 1
    return at + 1 + written
  }
  const bytes = cut(value, max)
  const start = writeVarint(target, at, bytes.length + 1)
  return start + bytes.copy(target, start)
}

function writeMeasures(target: Buffer, start: number, measures: LedgerEntry['measures']): number {
  const names = Object.keys(measures).sort()
  if (names.length > ledgerMeasuresMax)
    throw new TypeError(`ledger: expected at most ${ledgerMeasuresMax} measures, got ${names.length}`)
  let at = writeVarint(target, start, names.length)
  for (const name of names) {
    at = writeText(target, at, name)
    at = writeVarint(target, at, measures[name] ?? 0)
  }
  return at
}

/** Undoes `encodeEntry`. @throws RangeError for bytes that are no entry */
export function decodeEntry(bytes: Uint8Array): LedgerEntry {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const varint = new VarintReader()
  let at = 2
  const uint = (): number => {
    const value = varint.read(buffer, at, buffer.length)
    if (value < 0) throw new RangeError('ledger: an entry ends too early')
    if (!Number.isSafeInteger(value)) throw new RangeError('ledger: a number is too large')
    at = varint.at
    return value
  }
  const text = (): string | null => {
    const length = uint()
    if (length === 0) return null
    const start = at
    at += length - 1
    if (at > buffer.length) throw new RangeError('ledger: an entry ends too early')
    return buffer.toString('utf8', start, at)
  }
  const optional = (): number | null => {
    const value = uint()
    return value === 0 ? null : value - 1
  }
  if (buffer[0] !== version) throw new RangeError('ledger: an entry of a version that is not known here')
  const event = ledgerEventOf(buffer[1] ?? 0)
  if (event === undefined) throw new RangeError('ledger: an event that is not known here')
  const entry = {
    event,
    at: uint(),
    requestId: text(),
    clientRequestId: text(),
    code: text(),
    keyId: text(),
    owner: text(),
    method: text(),
    route: text(),
    status: optional(),
    latencyUs: optional(),
    measures: Object.fromEntries(Array.from({ length: uint() }, () => [text() ?? '', uint()])),
    address: text(),
    detail: parseDetail(text()),
  }
  if (at !== buffer.length) throw new RangeError('ledger: an entry has bytes after its end')
  return entry
}

const scratch = Buffer.alloc(ledgerEntryBytesMax)
const ellipsis = Buffer.from('…')

function cut(value: string, max: number): Buffer {
  const bytes = Buffer.from(value)
  if (bytes.length <= max) return bytes
  let end = max - ellipsis.length
  while ((bytes[end] ?? 0) >> 6 === 0b10) end -= 1
  return Buffer.concat([bytes.subarray(0, end), ellipsis])
}

function detailOf(detail: NonNullable<LedgerEntry['detail']>): string {
  const text = JSON.stringify(detail)
  return Buffer.byteLength(text) > ledgerDetailBytesMax ? '{"cut":true}' : text
}

function parseDetail(text: string | null): LedgerEntry['detail'] {
  if (text === null) return null
  try {
    return JSON.parse(text) as LedgerEntry['detail']
  } catch {
    throw new RangeError('ledger: a detail that is not JSON')
  }
}

/**
 * Writes an unsigned LEB128: seven bits a byte, the lowest first, all bytes but the last with the
 * high bit set.
 *
 * @returns where it ends
 * @throws TypeError for a number that is not a whole one from 0 to 2^53 - 1
 */
export function writeVarint(target: Uint8Array | number[], start: number, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new TypeError(`ledger: expected a whole number from 0 on, got ${value}`)
  let at = start
  let rest = value
  while (rest > 0x7f) {
    target[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  target[at++] = rest
  return at
}

/**
 * Reads unsigned LEB128. An object, so that a read allocates nothing: `at` is its second result.
 */
export class VarintReader {
  /** Where the last varint ended. */
  at = 0

  /** -1 if the bytes end first. A number beyond 2^53 comes out inexact, infinite or NaN. */
  read(bytes: Uint8Array, start: number, end: number): number {
    let value = 0
    let scale = 1
    for (let at = start; at < end; scale *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        this.at = at
        return value
      }
    }
    return -1
  }
}
