/** Buckets to each doubling: the middle of one is at most 1/128 away from whatever lies in it. */
const bucketsPerDoubling = 64
const doublingBits = Math.log2(bucketsPerDoubling)

/**
 * Counts whole numbers from 0 on in buckets that widen with the number, as HdrHistogram does:
 * quantiles are right to 1 %, numbers below 64 exactly. Memory is bounded: some 3,000 buckets, of
 * which only those in use exist.
 */
export class LatencyHistogram {
  readonly #counts = new Map<number, number>()
  #total = 0

  get total(): number {
    return this.#total
  }

  add(value: number): void {
    const bucket = bucketOf(value)
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
    this.#total += 1
  }

  /**
   * For each share, the least number that so many of all do not exceed (nearest rank).
   *
   * @param shares rising, each above 0 and up to 1
   * @returns zeros if nothing was counted
   */
  quantiles(shares: readonly number[]): readonly number[] {
    const buckets = [...this.#counts].toSorted(([one], [other]) => one - other)
    const found: number[] = []
    let below = 0
    let next = 0
    for (const share of shares) {
      const rank = Math.max(1, Math.ceil(share * this.#total))
      while (below < rank && next < buckets.length) below += buckets[next++]?.[1] ?? 0
      found.push(middleOf(buckets[next - 1]?.[0] ?? 0))
    }
    return found
  }
}

function bucketOf(value: number): number {
  if (value < bucketsPerDoubling) return value
  const doublings = Math.floor(Math.log2(value)) - doublingBits
  return doublings * bucketsPerDoubling + Math.floor(value / 2 ** doublings)
}

function middleOf(bucket: number): number {
  if (bucket < 2 * bucketsPerDoubling) return bucket
  const doublings = Math.floor(bucket / bucketsPerDoubling) - 1
  const low = (bucket - doublings * bucketsPerDoubling) * 2 ** doublings
  return low + (2 ** doublings - 1) / 2
}
