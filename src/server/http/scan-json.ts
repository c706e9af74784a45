/** What a JSON text would become, as far as its bytes tell. */
export interface JsonShape {
  /** How many arrays and objects are within each other. */
  readonly depth: number
  /** Values and names of members; at least as many as a parser makes. */
  readonly values: number
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
/** `[` and `{`, and `]` and `}`, differ in this bit alone. */
const brace = 0x20
const openingBracket = 0x5b
const opening = openingBracket | brace
const closing = 0x5d | brace

/** A list in a JSON text: the whole text, or a member of it. */
export interface JsonList {
  /** Where its bracket opens. */
  readonly start: number
  /** Commas between its values, some distance apart. */
  readonly cuts: readonly number[]
  /** Where its bracket closes. */
  readonly end: number
}

/**
 * Counts what a JSON text would become, in one pass over its bytes and with no object for any of
 * them: of `[{},{},…]` a parser makes twenty times its size, and over some million brackets within
 * each other it takes a second. Ends where a bound is passed. Bytes that are no JSON have some
 * shape, too; the parser refuses them.
 */
export function scanJson(bytes: Buffer, max: JsonShape): JsonShape {
  const scan = new JsonScan(bytes, max)
  scan.readOn(bytes.length)
  return scan.shape
}

/** Objects, lists and, counted twice, names of members after which a list is cut, too. */
export const pieceWeight = 16_384

/** One that has not closed yet. */
interface OpenList {
  readonly depth: number
  readonly start: number
  readonly cuts: number[]
  /** What is beside lists before it. */
  readonly weightBefore: number
}

/** The same in steps, which also tells where a long list can be taken to pieces. */
export class JsonScan {
  readonly #bytes: Buffer
  readonly #max: JsonShape
  readonly #pieceBytes: number
  readonly #lists: JsonList[] = []
  #at = 0
  #values = 1
  #depth = 0
  #deepest = 0
  #list: OpenList | undefined
  /** Whether it stands in a text, before a character that is not escaped. */
  #isInText = false
  /** Since the last cut of a list, or beside lists; and most of any piece. */
  #weight = 0
  #weightMost = 0

  /** @param pieceBytes least distance of two cuts of a list; a shorter list is not reported */
  constructor(bytes: Buffer, max: JsonShape, pieceBytes: number = Number.POSITIVE_INFINITY) {
    this.#bytes = bytes
    this.#max = max
    this.#pieceBytes = pieceBytes
  }

  get shape(): JsonShape {
    return { depth: this.#deepest, values: this.#values }
  }

  /** Those that were cut, in their order. */
  get lists(): readonly JsonList[] {
    return this.#lists
  }

  /**
   * Objects and lists, and twice the names of members, in the piece that has most, or beside the
   * lists that were cut: by them a parser takes its time.
   */
  get weightOfPiece(): number {
    return Math.max(this.#weightMost, this.#weight)
  }

  /** Whether every bracket that opens closes: otherwise it is no JSON. */
  get isBalanced(): boolean {
    return this.#depth === 0
  }

  /**
   * Reads so many bytes more, or a few more than that.
   * @returns whether more are left
   */
  readOn(count: number): boolean {
    const bytes = this.#bytes
    const { values: valuesMax, depth: depthMax } = this.#max
    const end = Math.min(bytes.length, this.#at + count)
    let at = this.#isInText ? this.#skipText(this.#at, end) : this.#at
    let values = this.#values
    for (; at < end && values <= valuesMax && this.#deepest <= depthMax; at += 1) {
      const byte = bytes[at] as number
      if (byte === quote) at = this.#skipText(at + 1, end) - 1
      else if (byte === comma) {
        values += 1
        this.#cut(at)
      } else if (byte === colon) {
        values += 1
        this.#weight += 2
      } else if ((byte | brace) === opening) {
        values += 1
        this.#open(at, byte)
      } else if ((byte | brace) === closing) this.#close(at)
    }
    this.#at = at
    this.#values = values
    return at < bytes.length && values <= valuesMax && this.#deepest <= depthMax
  }

  /** @returns where to read on: behind the text, or within one that is longer than this step */
  #skipText(start: number, end: number): number {
    const at = endOfText(this.#bytes, start, end)
    this.#isInText = at < 0
    return at < 0 ? -at : at + 1
  }

  #open(at: number, byte: number): void {
    this.#depth += 1
    this.#weight += 1
    if (this.#depth > this.#deepest) this.#deepest = this.#depth
    if (byte !== openingBracket || this.#depth > 2 || this.#list !== undefined) return
    this.#list = { depth: this.#depth, start: at, cuts: [], weightBefore: this.#weight }
    this.#weight = 0
  }

  #cut(at: number): void {
    const list = this.#list
    if (list?.depth !== this.#depth) return
    const isShort = at - (list.cuts.at(-1) ?? list.start) < this.#pieceBytes
    if (isShort && this.#weight < pieceWeight) return
    list.cuts.push(at)
    this.#endPiece()
  }

  #endPiece(): void {
    this.#weightMost = Math.max(this.#weightMost, this.#weight)
    this.#weight = 0
  }

  #close(at: number): void {
    const list = this.#list
    if (list?.depth === this.#depth) {
      this.#list = undefined
      if (list.cuts.length > 0) {
        this.#endPiece()
        this.#lists.push({ start: list.start, cuts: list.cuts, end: at })
      }
      this.#weight += list.weightBefore
    }
    this.#depth -= 1
  }
}

/** Bytes of a text after which to search it is faster than to look at each. */
const shortText = 32

/**
 * Where the quote is that ends a text; the end of the bytes where none does.
 * @returns less than 0 where the text goes on behind `limit`: then, negated, where to read on in it
 */
function endOfText(bytes: Buffer, start: number, limit: number): number {
  const shortEnd = Math.min(bytes.length, start + shortText)
  let at = start
  for (; at < shortEnd; at += 1) {
    const byte = bytes[at]
    if (byte === quote) return at
    if (byte === backslash) at += 1
  }
  // From behind the last character that was looked at: an escape may end there.
  const rest = at
  for (let end = bytes.indexOf(quote, rest); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    let escapes = end
    while (escapes > rest && bytes[escapes - 1] === backslash) escapes -= 1
    if ((end - escapes) % 2 === 0) return end
    if (end >= limit) return -(end + 1)
  }
  return bytes.length
}
