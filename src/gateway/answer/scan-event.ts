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

/** Members of a form's answers that interest, by their names, at whatever depth they stand. */
export interface AnswerNames {
  /** Strings of the answer's text. */
  readonly texts: readonly string[]
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
  readonly is: 'text' | 'arguments' | 'twin' | 'skipped' | 'mark'
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
  readonly #names: Name[][] = []

  constructor(names: AnswerNames) {
    for (const name of names.texts) this.#add(name, 'text')
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
    let at = from
    while (at < end) {
      const byte = bytes[at]
      if (byte === quote) at = this.#readName(bytes, at + 1, end)
      else if (byte === lineFeed || byte === carriageReturn) return at
      else at++
    }
    return at
  }

  #add(name: string, is: Name['is'], begins: readonly string[] = []): void {
    const entry = { bytes: Buffer.from(name), is, begins: begins.map((text) => Buffer.from(text)), textBytes: 0 }
    if (is === 'twin') this.#twins.push(entry)
    const alike = this.#names[name.length]
    if (alike === undefined) this.#names[name.length] = [entry]
    else alike.push(entry)
  }

  /** Reads a string and, where it names a member that interests, what the member is. */
  #readName(bytes: Buffer, from: number, end: number): number {
    const close = endOfString(bytes, from, end)
    if (close >= end || bytes[close] !== quote) return close
    const behind = skipSpaces(bytes, close + 1, end)
    if (behind >= end || bytes[behind] !== colon) return behind
    const name = this.#find(bytes, from, close)
    if (name === undefined) return behind + 1
    const value = skipSpaces(bytes, behind + 1, end)
    if (name.is === 'mark') {
      this.isMarked ||= name.begins.some((begin) => beginsWith(bytes, value, end, begin))
      return value
    }
    if (name.is === 'skipped') return endOfNested(bytes, value, end)
    return this.#readText(bytes, value, end, name)
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
    if (name.is === 'twin') name.textBytes += length
    else this.#textBytes += length
    return Math.min(at, end)
  }

  #find(bytes: Buffer, from: number, close: number): Name | undefined {
    const alike = this.#names[close - from]
    if (alike === undefined) return undefined
    for (const name of alike) if (beginsWith(bytes, from, close, name.bytes)) return name
    return undefined
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
