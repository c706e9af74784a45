import { VarintReader, writeVarint } from '../format/encoding.ts'

/** Buckets to each doubling: the middle of one is at most 1/128 away from whatever lies in it. */
const bucketsPerDoubling = 64
const doublingBits = Math.log2(bucketsPerDoubling)
/** Of numbers up to 2^53. */
const bucketsMax = bucketsPerDoubling * 49
/** Encoded counts that wait to be added at once, in a table: a map of them would cost ten times. */
const encodedMax = 64

/** Counts by bucket while they are added up; all 0 in between. One serves all histograms. */
const table = new Float64Array(bucketsMax)
const varint = new VarintReader()

/**
 * Counts whole numbers from 0 on in buckets that widen with the number, as HdrHistogram does:
 * quantiles are right to 1 %, numbers below 64 exactly. Memory is bounded: some 3,000 buckets, of
 * which only those in use exist.
 */
export class LatencyHistogram {
  readonly #counts = new Map<number, number>()
  readonly #encoded: Uint8Array[] = []

  add(value: number): void {
    const bucket = bucketOf(value)
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
  }

  /** Adds all that another one counted. */
  addAll(other: LatencyHistogram): void {
    for (const [bucket, count] of other.#counts)
      this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count)
    for (const bytes of other.#encoded) this.addEncoded(bytes)
  }

  /** Adds what `encode` gave. */
  addEncoded(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#encoded.push(bytes)
    if (this.#encoded.length >= encodedMax)
      this.#addUp((low, high) => {
        for (let bucket = low; bucket <= high; bucket += 1) {
          const count = table[bucket] ?? 0
          if (count > 0) this.#counts.set(bucket, count)
        }
        this.#encoded.length = 0
      })
  }

  /** The buckets in use, rising, as varints: the distance from the one before, and the count. */
  encode(): Uint8Array {
    const bytes: number[] = []
    this.#addUp((low, high) => {
      let before = 0
      for (let bucket = low; bucket <= high; bucket += 1) {
        const count = table[bucket] ?? 0
        if (count === 0) continue
        writeVarint(bytes, bytes.length, bucket - before)
        writeVarint(bytes, bytes.length, count)
        before = bucket
      }
    })
    return Uint8Array.from(bytes)
  }

  /**
   * For each share, the least number that so many of all do not exceed (nearest rank).
   *
   * @param shares rising, each above 0 and up to 1
   * @returns undefined if nothing was counted
   */
  quantiles(shares: readonly number[]): readonly number[] | undefined {
    return this.#addUp((low, high) => {
      let total = 0
      for (let bucket = low; bucket <= high; bucket += 1) total += table[bucket] ?? 0
      if (total === 0) return undefined
      let below = 0
      let next = low
      return shares.map((share) => {
        const rank = Math.max(1, Math.ceil(share * total))
        while (below < rank && next <= high) below += table[next++] ?? 0
        return middleOf(next - 1)
      })
    })
  }

  /** Has all counts in the table while `use` runs; it gets the first and the last bucket in use. */
  #addUp<T>(use: (low: number, high: number) => T): T {
    let low = bucketsMax
    let high = -1
    const count = (bucket: number, times: number): void => {
      if (!(bucket < bucketsMax)) throw new RangeError('ledger: a histogram has too large a number')
      table[bucket] = (table[bucket] ?? 0) + times
      if (bucket < low) low = bucket
      if (bucket > high) high = bucket
    }
    try {
      for (const [bucket, times] of this.#counts) count(bucket, times)
      for (const bytes of this.#encoded) readEncoded(bytes, count)
      return use(low, high)
    } finally {
      table.fill(0, low, high + 1)
    }
  }
}

function readEncoded(bytes: Uint8Array, count: (bucket: number, times: number) => void): void {
  let bucket = 0
  for (let at = 0; at < bytes.length; at = varint.at) {
    const distance = varint.read(bytes, at, bytes.length)
    const times = distance < 0 ? -1 : varint.read(bytes, varint.at, bytes.length)
    if (times < 0) throw new RangeError('ledger: a histogram ends too early')
    bucket += distance
    count(bucket, times)
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
