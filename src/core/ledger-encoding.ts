import { ledgerEventOf, ledgerEvents } from './ledger-event.ts'
import type { LedgerEntry } from './ledger-record.ts'

/** Most bytes of a text field as UTF-8; what is longer is cut, at a character, and ends in `…`. */
const ledgerTextBytesMax = 256
/** Most bytes of `detail` as JSON; a larger one is `{"cut":true}`. */
const ledgerDetailBytesMax = 2_000
/** Most measures of an entry, and most bytes that an encoded one can have. */
export const ledgerMeasuresMax = 16
export const ledgerEntryBytesMax: number = 16_384

const version = 1

/**
 * Encodes an entry, one way only, so that its hash means something: docs/reference/ledger.md has it byte by byte, with vectors. A version,
 * the event's number, then each field in a fixed order; integers are unsigned LEB128, plus one where null is written as 0; texts are
 * their length in bytes plus one, or 0 for null, and UTF-8.
 *
 * @throws TypeError for a number that is not a whole one from 0 on
 */
export function encodeEntry(entry: LedgerEntry): Buffer {
  let at = 0
  const uint = (value: number): void => {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new TypeError(`ledger: expected a whole number from 0 on, got ${value}`)
    let rest = value
    while (rest > 0x7f) {
      scratch[at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    scratch[at++] = rest
  }
  const text = (value: string | null, max = ledgerTextBytesMax): void => {
    if (value === null) {
      scratch[at++] = 0
      return
    }
    // Most texts are short and ASCII: their length takes one byte, which is written when it is known.
    if (value.length < 42) {
      const written = scratch.write(value, at + 1)
      scratch[at] = written + 1
      at += written + 1
      return
    }
    const bytes = cut(value, max)
    uint(bytes.length + 1)
    at += bytes.copy(scratch, at)
  }
  const optional = (value: number | null): void => uint(value === null ? 0 : value + 1)
  scratch[at++] = version
  scratch[at++] = ledgerEvents[entry.event]
  uint(entry.at)
  text(entry.requestId)
  text(entry.clientRequestId)
  text(entry.code)
  text(entry.keyId)
  text(entry.owner)
  text(entry.method)
  text(entry.route)
  optional(entry.status)
  optional(entry.latencyUs)
  const measures = Object.entries(entry.measures).toSorted(([one], [other]) => (one < other ? -1 : 1))
  if (measures.length > ledgerMeasuresMax)
    throw new TypeError(`ledger: expected at most ${ledgerMeasuresMax} measures, got ${measures.length}`)
  uint(measures.length)
  for (const [name, value] of measures) {
    text(name)
    uint(value)
  }
  text(entry.address)
  text(entry.detail === null ? null : detailOf(entry.detail), ledgerDetailBytesMax)
  return Buffer.from(scratch.subarray(0, at))
}

/** Undoes `encodeEntry`. @throws RangeError for bytes that are no entry */
export function decodeEntry(bytes: Uint8Array): LedgerEntry {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const byte = (): number => {
    const value = buffer[at++]
    if (value === undefined) throw new RangeError('ledger: an entry ends too early')
    return value
  }
  const uint = (): number => {
    let value = 0
    let scale = 1
    for (;;) {
      const next = byte()
      value += (next & 0x7f) * scale
      if (!Number.isSafeInteger(value)) throw new RangeError('ledger: a number is too large')
      if (next < 0x80) return value
      scale *= 128
    }
  }
  const text = (): string | null => {
    const length = uint()
    if (length === 0) return null
    const end = at + length - 1
    if (end > buffer.length) throw new RangeError('ledger: an entry ends too early')
    const value = buffer.toString('utf8', at, end)
    at = end
    return value
  }
  const optional = (): number | null => {
    const value = uint()
    return value === 0 ? null : value - 1
  }
  if (byte() !== version) throw new RangeError('ledger: an entry of a version that is not known here')
  const event = ledgerEventOf(byte())
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
