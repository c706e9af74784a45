import { VarintReader } from '../../ledger/format/encoding.ts'

/**
 * A row of the index, in hexadecimal digits: SQLite hands over a text in a third of the time of a
 * blob, and a raw text would end at its first NUL.
 */
export type PostingCells = readonly [term: string, blocks: string]

/**
 * The rows of one segment, looked up by texts in a block's body without making strings of them. A
 * hash table in one buffer and a few typed arrays: an object for each row would cost more than
 * reading it, and cache misses dominate a look-up.
 */
export class SegmentTerms {
  /** Each row's term and ids. */
  readonly #bytes: Buffer
  /** By slot, the row added last; by row, the one before it in its slot; -1 for none. */
  readonly #heads: Int32Array
  readonly #befores: Int32Array
  /** By row, the number of its prefix; -1 for none. */
  readonly #kinds: Int8Array
  /** By row, where its text begins, behind the prefix; where its ids begin; where it ends. */
  readonly #texts: Int32Array
  readonly #ids: Int32Array
  readonly #ends: Int32Array
  /** By row, the current block, 0 before the first, and where the distance of the next stands. */
  readonly #blocks: Float64Array
  readonly #nexts: Int32Array
  /** By kind, the row found last: consecutive texts are often the same. */
  readonly #lasts: Int32Array
  readonly #varint = new VarintReader()

  /**
   * @param prefixes of terms; a kind is an index into them. Rows with another prefix are not found.
   */
  constructor(rows: readonly PostingCells[], prefixes: readonly string[]) {
    const digits = prefixes.map((prefix) => Buffer.from(prefix).toString('hex').toUpperCase())
    this.#bytes = Buffer.from(rows.flat().join(''), 'hex')
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(2 * rows.length + 2))).fill(-1)
    this.#befores = new Int32Array(rows.length)
    this.#kinds = new Int8Array(rows.length)
    this.#texts = new Int32Array(rows.length)
    this.#ids = new Int32Array(rows.length)
    this.#ends = new Int32Array(rows.length)
    this.#blocks = new Float64Array(rows.length)
    this.#nexts = new Int32Array(rows.length)
    this.#lasts = new Int32Array(prefixes.length).fill(-1)
    let at = 0
    for (let row = 0; row < rows.length; row += 1) {
      const [term, blocks] = rows[row] ?? ['', '']
      const kind = digits.findIndex((prefix) => term.startsWith(prefix))
      this.#kinds[row] = kind
      this.#texts[row] = at + (prefixes[kind]?.length ?? 0)
      at += term.length / 2
      this.#ids[row] = at
      this.#nexts[row] = at
      at += blocks.length / 2
      this.#ends[row] = at
      this.#add(row, kind)
    }
  }

  /**
   * Whether each row names blocks from `from` + 1 to `until`, in order, once. Call before look-ups.
   */
  areOf(from: number, until: number): boolean {
    for (let row = 0; row < this.#ids.length; row += 1) {
      let before = from
      while (this.#goOn(row)) {
        const block = this.#blocks[row] ?? 0
        if (!(block > before && block <= until)) return false
        before = block
      }
      this.#blocks[row] = 0
      this.#nexts[row] = this.#ids[row] ?? 0
    }
    return true
  }

  /** Whether the row of a text has a block. Call in the order of block ids. */
  has(kind: number, body: Buffer, start: number, length: number, block: number): boolean {
    const row = this.#find(kind, body, start, length)
    if (row < 0) return false
    while ((this.#blocks[row] ?? block) < block) this.#goOn(row)
    return this.#blocks[row] === block
  }

  #add(row: number, kind: number): void {
    if (kind < 0) return
    const start = this.#texts[row] ?? 0
    const slot = this.#slotOf(kind, this.#bytes, start, (this.#ids[row] ?? 0) - start)
    this.#befores[row] = this.#heads[slot] ?? -1
    this.#heads[slot] = row
  }

  #find(kind: number, body: Buffer, start: number, length: number): number {
    const last = this.#lasts[kind] ?? -1
    if (last >= 0 && this.#is(last, kind, body, start, length)) return last
    let row = this.#heads[this.#slotOf(kind, body, start, length)] ?? -1
    while (row >= 0 && !this.#is(row, kind, body, start, length)) row = this.#befores[row] ?? -1
    if (row >= 0) this.#lasts[kind] = row
    return row
  }

  /** FNV-1a. */
  #slotOf(kind: number, bytes: Buffer, start: number, length: number): number {
    let hash = 0x811c9dc5 ^ kind
    for (let at = start; at < start + length; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193)
    return (hash ^ (hash >>> 15)) & (this.#heads.length - 1)
  }

  #is(row: number, kind: number, body: Buffer, start: number, length: number): boolean {
    const text = this.#texts[row] ?? 0
    if ((this.#ids[row] ?? 0) - text !== length || this.#kinds[row] !== kind) return false
    // From the end: texts of one kind often begin alike.
    for (let at = length - 1; at >= 0; at -= 1) if (this.#bytes[text + at] !== body[start + at]) return false
    return true
  }

  /**
   * Moves a row to its next block (see `encodeIds`); at its end false, and the block is infinity.
   */
  #goOn(row: number): boolean {
    const distance = this.#varint.read(this.#bytes, this.#nexts[row] ?? 0, this.#ends[row] ?? 0)
    if (distance < 0) {
      this.#blocks[row] = Number.POSITIVE_INFINITY
      return false
    }
    this.#blocks[row] = (this.#blocks[row] ?? 0) + distance
    this.#nexts[row] = this.#varint.at
    return true
  }
}
