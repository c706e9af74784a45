import {
  backslash,
  beginsWith,
  carriageReturn,
  colon,
  endOfNested,
  endOfString,
  lineFeed,
  openBrace,
  quote,
} from './json-bytes.ts'

const space = 0x20
const letterU = 0x75

/**
 * Base64 that counts as a byte of text: a token of 4 bytes is 50 ms of sound, 16 bits at 24 kHz.
 * https://platform.openai.com/docs/guides/realtime-costs
 */
const soundBytes = 800

/** Members of a form's answers that interest, by their names, at whatever depth they stand. */
export interface AnswerNames {
  /** Strings of the answer's text. */
  readonly texts: readonly string[]
  /** Base64 of an answer that is heard. @default none */
  readonly sounds?: readonly string[]
  /** Arguments of tools: a string, or an object, of which every byte counts. */
  readonly arguments: readonly string[]
  /** Text that some upstreams say under each of these names: the name with most of it counts. */
  readonly twins: readonly string[]
  /** Objects and lists that are passed over: names mean something else in them. */
  readonly skipped: readonly string[]
  /** How values begin with which an event may end the stream, fail it, or say its usage. */
  readonly marks: Readonly<Record<string, readonly string[]>>
}

interface Name {
  readonly bytes: Buffer
  readonly is: 'text' | 'sound' | 'arguments' | 'twin' | 'skipped' | 'mark'
  readonly begins: readonly Buffer[]
  /** Bytes of text under it, since the last `clear`. */
  textBytes: number
}

/**
 * Looks through JSON without parsing it, for the bytes of text that it has and for whether it is
 * worth parsing. Every quote in a string is escaped, so no text can look like a member; a member of
 * that name elsewhere can, therefore what is marked is parsed before it decides anything.
 */
export class EventScan {
  /** Whether the event is worth parsing. */
  isMarked = false
  #textBytes = 0
  readonly #twins: Name[] = []
  /** By the length of the name. */
  readonly #names: (readonly Name[] | undefined)[] = []

  constructor(names: AnswerNames) {
    for (const name of names.texts) this.#add(name, 'text')
    for (const name of names.sounds ?? []) this.#add(name, 'sound')
    for (const name of names.arguments) this.#add(name, 'arguments')
    for (const name of names.twins) this.#add(name, 'twin')
    for (const name of names.skipped) this.#add(name, 'skipped')
    for (const [name, begins] of Object.entries(names.marks)) this.#add(name, 'mark', begins)
  }

  /** Bytes of text since the last `clear`, in UTF-8 and without escapes. */
  get textBytes(): number {
    let most = 0
    for (const twin of this.#twins) most = Math.max(most, twin.textBytes)
    return this.#textBytes + most
  }

  clear(): void {
    this.isMarked = false
    this.#textBytes = 0
    for (const twin of this.#twins) twin.textBytes = 0
  }

  /** Looks through one line: no string of JSON goes beyond. @returns where it ends */
  readLine(bytes: Buffer, from: number, end: number): number {
    const names = this.#names
    let at = from
    while (at < end) {
      const byte = bytes[at]
      if (byte === lineFeed || byte === carriageReturn) return at
      at++
      if (byte !== quote) continue
      const close = endOfString(bytes, at, end)
      if (bytes[close] !== quote) return Math.min(close, end)
      const length = close - at
      const alike = length < names.length ? names[length] : undefined
      at = alike === undefined ? close + 1 : this.#readMember(alike, bytes, at, close, end)
    }
    return end
  }

  #add(name: string, is: Name['is'], begins: readonly string[] = []): void {
    const entry = {
      bytes: Buffer.from(name),
      is,
      begins: begins.map((text) => Buffer.from(text)),
      textBytes: 0,
    }
    if (is === 'twin') this.#twins.push(entry)
    // Without holes: it is read for each string.
    while (this.#names.length <= name.length) this.#names.push(undefined)
    this.#names[name.length] = [...(this.#names[name.length] ?? []), entry]
  }

  /**
   * Reads what follows a string from `from` to `close` that is as long as these names.
   * @returns where to read on
   */
  #readMember(alike: readonly Name[], bytes: Buffer, from: number, close: number, end: number): number {
    const behind = skipSpaces(bytes, close + 1, end)
    if (behind >= end || bytes[behind] !== colon) return behind
    for (const name of alike) {
      if (!beginsWith(bytes, from, close, name.bytes)) continue
      const value = skipSpaces(bytes, behind + 1, end)
      if (name.is === 'skipped') return endOfNested(bytes, value, end)
      if (name.is !== 'mark') return this.#readText(bytes, value, end, name)
      for (const begin of name.begins) this.isMarked ||= beginsWith(bytes, value, end, begin)
      return value
    }
    return behind + 1
  }

  #readText(bytes: Buffer, from: number, end: number, name: Name): number {
    let at = from
    let length = 0
    if (at < end && bytes[at] === quote) {
      at++
      while (at < end && bytes[at] !== quote) {
        if (bytes[at] !== backslash) {
          length++
          at++
        } else if (bytes[at + 1] === letterU) {
          length += bytesOfEscape(bytes, at + 2)
          at += 6
        } else {
          length++
          at += 2
        }
      }
      at++
    } else if (at < end && bytes[at] === openBrace && name.is === 'arguments') {
      at = endOfNested(bytes, at, end)
      length = at - from
    }
    if (name.is === 'sound') length = Math.ceil(length / soundBytes)
    if (name.is === 'twin') name.textBytes += length
    else this.#textBytes += length
    return Math.min(at, end)
  }
}

/** A name and its value stand on one line. */
function skipSpaces(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && bytes[at] === space) at++
  return at
}

/** Bytes in UTF-8 of the escape whose four digits stand at `at`; of half a pair, half of them. */
function bytesOfEscape(bytes: Buffer, at: number): number {
  const code = Number.parseInt(bytes.toString('latin1', at, at + 4), 16)
  if (code < 0x80) return 1
  if (code < 0x800) return 2
  return code >= 0xd800 && code <= 0xdfff ? 2 : 3
}
