/**
 * Values by texts that lie somewhere in a buffer: to look one up makes no string of it. All of them lie in one buffer here, and what is
 * known of them in a few arrays: an object for each would be elsewhere in memory, and a look-up waits for memory more than for anything.
 */
export class ByteMap<Value> {
  readonly #bytes: Buffer
  /** By slot, the number of the text that was added last there, and by text that of the one before it; -1 for none. */
  readonly #heads: Int32Array
  readonly #nexts: Int32Array
  /** By text, where its bytes begin; one more than there are texts. */
  readonly #starts: Int32Array
  readonly #values: readonly Value[]
  #last = -1

  /** @param texts each once */
  constructor(texts: readonly (readonly [bytes: Uint8Array, value: Value])[]) {
    this.#bytes = Buffer.concat(texts.map(([bytes]) => bytes))
    this.#values = texts.map(([, value]) => value)
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(2 * texts.length + 2))).fill(-1)
    this.#nexts = new Int32Array(texts.length)
    this.#starts = new Int32Array(texts.length + 1)
    for (const [index, [{ length }]] of texts.entries()) {
      const start = this.#starts[index] ?? 0
      this.#starts[index + 1] = start + length
      const slot = this.#slotOf(this.#bytes, start, length)
      this.#nexts[index] = this.#heads[slot] ?? -1
      this.#heads[slot] = index
    }
  }

  get(body: Buffer, start: number, length: number): Value | undefined {
    // Texts that follow each other are often the same.
    if (this.#last >= 0 && this.#is(this.#last, body, start, length)) return this.#values[this.#last]
    let index = this.#heads[this.#slotOf(body, start, length)] ?? -1
    while (index >= 0 && !this.#is(index, body, start, length)) index = this.#nexts[index] ?? -1
    if (index < 0) return undefined
    this.#last = index
    return this.#values[index]
  }

  /** FNV-1a. */
  #slotOf(body: Buffer, start: number, length: number): number {
    let hash = 0x811c9dc5
    for (let at = start; at < start + length; at += 1) hash = Math.imul(hash ^ (body[at] ?? 0), 0x01000193)
    return (hash ^ (hash >>> 15)) & (this.#heads.length - 1)
  }

  #is(index: number, body: Buffer, start: number, length: number): boolean {
    const begin = this.#starts[index] ?? 0
    if ((this.#starts[index + 1] ?? 0) - begin !== length) return false
    // From the end: texts of one kind often begin alike.
    for (let at = length - 1; at >= 0; at -= 1) if (this.#bytes[begin + at] !== body[start + at]) return false
    return true
  }
}
