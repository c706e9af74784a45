/** Bytes of a block that small pieces are copied into. */
const blockBytes = 65_536
const nothing = Buffer.alloc(0)

/**
 * Bytes that come in pieces, however many. Each piece is copied: to keep one of a single byte costs
 * half a kilobyte or a whole read of a socket, and how many come is up to who sends them.
 */
export class GatheredBytes {
  #full: Buffer[] = []
  #block = nothing
  /** Bytes of the block that are written. */
  #used = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  add(piece: Buffer): void {
    const copied = piece.copy(this.#block, this.#used)
    this.#used += copied
    const left = piece.length - copied
    if (left > 0) {
      if (this.#used > 0) this.#full.push(this.#block)
      // Most come in one piece: it gets no more room than it needs.
      this.#block = Buffer.allocUnsafe(this.#length === 0 ? left : Math.max(left, blockBytes))
      this.#used = piece.copy(this.#block, 0, copied)
    }
    this.#length += piece.length
  }

  /** Gives all of them in one piece, and holds none from then on. */
  take(): Buffer {
    const last = this.#block.subarray(0, this.#used)
    const all = this.#full.length === 0 ? last : Buffer.concat([...this.#full, last], this.#length)
    this.#full = []
    this.#block = nothing
    this.#used = 0
    this.#length = 0
    return all
  }
}
