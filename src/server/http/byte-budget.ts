import { getHeapStatistics } from 'node:v8'
import { Fault } from '../../core/fault.ts'

/**
 * Bytes that requests and answers under way may hold in memory, in all and of one owner. An owner
 * may hold as much as is free: one alone half of it all, two a third each. So no owner, and no
 * number of them, leaves others nothing (dynamic thresholds: Choudhury and Hahne, IEEE/ACM
 * Transactions on Networking 6(2), 1998).
 */
export class ByteBudget {
  /** In all. */
  readonly max: number
  #held = 0
  /** Of those that hold any. */
  readonly #byOwner = new Map<string, number>()

  constructor(max: number) {
    this.max = max
  }

  /** What all requests hold now. */
  get held(): number {
    return this.#held
  }

  /** Opens a lease of a request, which holds nothing yet. */
  lease(owner: string): ByteLease {
    return new ByteLease((from, to) => this.#change(owner, from, to))
  }

  #change(owner: string, from: number, to: number): boolean {
    const others = this.#held - from
    const ofOwner = (this.#byOwner.get(owner) ?? 0) - from
    // A request that is alone always fits: or on a small heap it never would.
    if (to > from && others > 0 && ofOwner + to > this.max - others - to) return false
    this.#held = others + to
    if (ofOwner + to === 0) this.#byOwner.delete(owner)
    else this.#byOwner.set(owner, ofOwner + to)
    return true
  }
}

/** What one request holds of a budget, until its answer is gone. */
export class ByteLease {
  #bytes = 0
  #isOver = false
  readonly #change: (from: number, to: number) => boolean

  constructor(change: (from: number, to: number) => boolean) {
    this.#change = change
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Holds so many bytes from now on, or none once it was released.
   *
   * @throws Fault `overloaded` where they do not fit
   */
  hold(bytes: number): void {
    if (this.#isOver) return
    if (!this.#change(this.#bytes, bytes))
      throw new Fault('overloaded', `requests under way hold as much memory as they may`)
    this.#bytes = bytes
  }

  release(): void {
    this.#isOver = true
    this.#change(this.#bytes, 0)
    this.#bytes = 0
  }
}

/** Of the heap's size: the rest is for what the server keeps, and what a moment's work takes. */
const partOfHeap = 0.25

/** Bytes of a budget: as set, or a quarter of the heap that this process may have. */
export function budgetOf(inFlightMax: number | 'auto'): number {
  return inFlightMax === 'auto' ? Math.floor(getHeapStatistics().heap_size_limit * partOfHeap) : inFlightMax
}
