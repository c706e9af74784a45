/** The texts of an entry that are looked for, by their place among its texts. */
export const skimmedTexts = { requestId: 0, code: 2, keyId: 3, owner: 4, route: 6 } as const

export type SkimmedText = keyof typeof skimmedTexts

const textsRead = 7

/**
 * Looks at encoded entries where they lie in a block's body and makes no object of them: most that a query passes by are not wanted.
 * One at a time; what it shows is of the entry that it read last.
 */
export class EntrySkim {
  /** The event's number. */
  event = 0
  /** Milliseconds since the epoch. */
  at = 0
  #body: Buffer = Buffer.alloc(0)
  #next = 0
  readonly #starts = new Int32Array(textsRead)
  /** -1 where the text is null. */
  readonly #lengths = new Int32Array(textsRead)

  /** @throws RangeError for bytes that are no entry, where that shows */
  read(body: Buffer, start: number): void {
    this.#body = body
    this.event = body[start + 1] ?? 0
    this.#next = start + 2
    this.at = this.#readUint()
    for (let text = 0; text < textsRead; text += 1) {
      const length = this.#readUint() - 1
      this.#starts[text] = this.#next
      this.#lengths[text] = length
      if (length > 0) this.#next += length
    }
    if (this.#next > body.length) throw new RangeError('ledger: an entry ends too early')
  }

  isText(text: SkimmedText, wanted: Uint8Array): boolean {
    const place = skimmedTexts[text]
    if (this.#lengths[place] !== wanted.length) return false
    const start = this.#starts[place] ?? 0
    // From the end: texts of one kind often begin alike.
    for (let index = wanted.length - 1; index >= 0; index -= 1)
      if (this.#body[start + index] !== wanted[index]) return false
    return true
  }

  text(text: SkimmedText): string | null {
    const place = skimmedTexts[text]
    const length = this.#lengths[place] ?? -1
    const start = this.#starts[place] ?? 0
    return length < 0 ? null : this.#body.toString('utf8', start, start + length)
  }

  /** Where the bytes of the text at a place begin. */
  startAt(place: number): number {
    return this.#starts[place] ?? 0
  }

  /** How many bytes the text at a place has; -1 where it is null. */
  lengthAt(place: number): number {
    return this.#lengths[place] ?? -1
  }

  #readUint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const next = this.#body[this.#next++]
      if (next === undefined) throw new RangeError('ledger: an entry ends too early')
      value += (next & 0x7f) * scale
      if (next < 0x80) return value
      scale *= 128
    }
  }
}
