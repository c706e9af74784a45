import { VarintReader } from './encoding.ts'

/** The texts of an entry that queries filter by, by their place among its texts. */
export const viewedTexts = { requestId: 0, code: 2, keyId: 3, owner: 4, route: 6 } as const

export type ViewedText = keyof typeof viewedTexts

const textsRead = 7

/** Bytes of an entry before its first varint: its version and its event. */
const timeOffset = 2

/**
 * A view of an encoded entry inside a block's body, decoded on demand: a query skips most entries,
 * which then cost no object. A view shows the entry that it read last.
 */
export class EntryView {
  /** The event's number. */
  event = 0
  /** Milliseconds since the epoch. */
  at = 0
  /** Where the texts that are read end, and the status begins. */
  end = 0
  #body: Buffer = Buffer.alloc(0)
  readonly #varint = new VarintReader()
  readonly #starts = new Int32Array(textsRead)
  /** -1 if the text is null. */
  readonly #lengths = new Int32Array(textsRead)

  /** @throws RangeError for bytes that are visibly no entry */
  read(body: Buffer, start: number): void {
    this.#body = body
    this.event = body[start + 1] ?? 0
    this.at = this.#readVarint(start + timeOffset)
    let next = this.#varint.at
    for (let text = 0; text < textsRead; text += 1) {
      const length = this.#readVarint(next) - 1
      next = this.#varint.at
      this.#starts[text] = next
      this.#lengths[text] = length
      if (length > 0) next += length
    }
    if (!(next <= body.length)) throw new RangeError('ledger: an entry ends too early')
    this.end = next
  }

  isText(text: ViewedText, wanted: Uint8Array): boolean {
    const place = viewedTexts[text]
    if (this.#lengths[place] !== wanted.length) return false
    const start = this.#starts[place] ?? 0
    // From the end: texts of one kind often begin alike.
    for (let index = wanted.length - 1; index >= 0; index -= 1)
      if (this.#body[start + index] !== wanted[index]) return false
    return true
  }

  text(text: ViewedText): string | null {
    const place = viewedTexts[text]
    const length = this.#lengths[place] ?? -1
    const start = this.#starts[place] ?? 0
    return length < 0 ? null : this.#body.toString('utf8', start, start + length)
  }

  /** The bytes of a text that is not null, as they lie in the body. */
  bytes(text: ViewedText): Uint8Array {
    const place = viewedTexts[text]
    const start = this.#starts[place] ?? 0
    return this.#body.subarray(start, start + (this.#lengths[place] ?? 0))
  }

  /** Where the bytes of the text at a place begin. */
  startAt(place: number): number {
    return this.#starts[place] ?? 0
  }

  /** How many bytes the text at a place has; -1 if it is null. */
  lengthAt(place: number): number {
    return this.#lengths[place] ?? -1
  }

  #readVarint(start: number): number {
    const value = this.#varint.read(this.#body, start, this.#body.length)
    if (value < 0) throw new RangeError('ledger: an entry ends too early')
    return value
  }
}

const time = new VarintReader()

/**
 * `at` of the encoded entry from `start` to `end`: its first varint. -1 if the entry ends first.
 */
export function entryTime(body: Uint8Array, start: number, end: number): number {
  return time.read(body, start + timeOffset, end)
}
