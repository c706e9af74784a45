import type { ChainHash } from '../format/chain.ts'

/** How far before its own record a checkpoint may point, and how far back a copy is recognised. */
export const recentHashesMax = 1_024

/** Those before a record, and its own. */
const hashesMax = recentHashesMax + 1

/** The last chain hashes of a stream, by record number: 100 KB of memory when full. */
export class RecentHashes {
  readonly #hashes: ChainHash[] = []
  #last: number
  #size = 0

  constructor(seq: number, chainHash: ChainHash) {
    this.#last = seq - 1
    this.push(chainHash)
  }

  /** Adds the chain hash of the next record. */
  push(chainHash: ChainHash): void {
    this.#last += 1
    this.#hashes[this.#last % hashesMax] = chainHash
    if (this.#size < hashesMax) this.#size += 1
  }

  /** Number of the newest. */
  get last(): number {
    return this.#last
  }

  /** Number of the oldest that is still here. */
  get oldest(): number {
    return this.#last - this.#size + 1
  }

  at(seq: number): ChainHash | undefined {
    return seq >= this.oldest && seq <= this.#last ? this.#hashes[seq % hashesMax] : undefined
  }

  /** The record number that a chain hash belongs to. */
  numberOf(chainHash: ChainHash): number | undefined {
    for (let seq = this.#last; seq >= this.oldest; seq -= 1) if (this.at(seq) === chainHash) return seq
    return undefined
  }
}
