/** How far before its own record a checkpoint may point, and how far back a copy is recognised. */
export const recentLinksMax = 1_024

/** Links that are kept: those before a record, and its own. */
const linksMax = recentLinksMax + 1

/** The last links of a stream, by number: 100 KB of memory where they are all there. */
export class RecentLinks {
  readonly #links: string[] = []
  #last: number
  #size = 0

  constructor(seq: number, link: string) {
    this.#last = seq - 1
    this.push(link)
  }

  /** Adds the link of the next record. */
  push(link: string): void {
    this.#last += 1
    this.#links[this.#last % linksMax] = link
    if (this.#size < linksMax) this.#size += 1
  }

  get last(): number {
    return this.#last
  }

  /** Number of the oldest that is kept. */
  get oldest(): number {
    return this.#last - this.#size + 1
  }

  at(seq: number): string | undefined {
    return seq >= this.oldest && seq <= this.#last ? this.#links[seq % linksMax] : undefined
  }

  /** The number that a link belongs to. */
  numberOf(link: string): number | undefined {
    for (let seq = this.#last; seq >= this.oldest; seq -= 1) if (this.at(seq) === link) return seq
    return undefined
  }
}
