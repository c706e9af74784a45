import { invalidBody, invalidJson } from './invalid-body.ts'

/** Bytes of JSON's grammar (RFC 8259). */
export const quote = 0x22
export const comma = 0x2c
export const colon = 0x3a
const backslash = 0x5c
const minus = 0x2d
const zero = 0x30
const nine = 0x39
const point = 0x2e

/** Bytes of the longest number: some parsers refuse one of some thousand digits. */
const numberBytesMax = 1_024

/** Where a text has been read to. */
export interface TextPosition {
  at: number
  /** Whether there is an escape before. */
  isEscaped: boolean
}

/**
 * Reads on in a text, up to the limit or a few bytes more.
 *
 * @returns whether it ends: `at` is its quote
 * @throws Refusal `input_invalid` for what no text may have
 */
export function readText(bytes: Buffer, position: TextPosition, limit: number): boolean {
  let { at } = position
  while (at < limit) {
    const byte = bytes[at] as number
    if (byte === quote) {
      position.at = at
      return true
    }
    if (byte === backslash) {
      position.isEscaped = true
      at = endOfEscape(bytes, at)
    } else if (byte < 0x20) throw invalidJson()
    else at += 1
  }
  position.at = at
  return false
}

const escapable = new Set(Buffer.from('"\\/bfnrt'))

function endOfEscape(bytes: Buffer, at: number): number {
  const letter = bytes[at + 1] ?? 0
  if (escapable.has(letter)) return at + 2
  if (letter !== 0x75) throw invalidJson()
  for (let digit = at + 2; digit < at + 6; digit += 1) {
    if (!isHexDigit(bytes[digit] ?? 0)) throw invalidJson()
  }
  return at + 6
}

function isHexDigit(byte: number): boolean {
  const lower = byte | 0x20
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66)
}

/**
 * Where a number ends that begins here.
 * @throws Refusal `input_invalid` where none does
 */
export function endOfNumber(bytes: Buffer, start: number): number {
  const first = bytes[start] === minus ? start + 1 : start
  let at = endOfDigits(bytes, first)
  if (bytes[first] === zero && at > first + 1) throw invalidJson()
  if (bytes[at] === point) at = endOfDigits(bytes, at + 1)
  if (((bytes[at] ?? 0) | 0x20) === 0x65) {
    const sign = bytes[at + 1]
    at = endOfDigits(bytes, at + (sign === minus || sign === 0x2b ? 2 : 1))
  }
  if (at - start > numberBytesMax) throw numberTooLong()
  return at
}

/** At least one digit, and no more than a number may have. */
function endOfDigits(bytes: Buffer, start: number): number {
  let at = start
  while (isDigit(bytes[at] ?? 0)) {
    at += 1
    if (at - start > numberBytesMax) throw numberTooLong()
  }
  if (at === start) throw invalidJson()
  return at
}

function isDigit(byte: number): boolean {
  return byte >= zero && byte <= nine
}

function numberTooLong() {
  return invalidBody(`A number should have at most ${numberBytesMax} digits`, 'ambiguous')
}

/** `true`, `false` or `null`, where it begins here with this byte. */
export function wordAt(bytes: Buffer, first: number, start: number): 'true' | 'false' | 'null' | undefined {
  const word = first === 0x74 ? 'true' : first === 0x66 ? 'false' : first === 0x6e ? 'null' : undefined
  if (word === undefined) return
  if (bytes.toString('latin1', start, start + word.length) !== word) throw invalidJson()
  return word
}
