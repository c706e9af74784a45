/** Buckets to each doubling: the middle of one is at most 1/128 away from whatever lies in it. */
const bucketsPerDoubling = 64
const doublingBits = Math.log2(bucketsPerDoubling)
/** Of numbers up to 2^53. */
const bucketsMax = bucketsPerDoubling * 49
/** Encoded counts that wait to be added at once, in a table: a map of them would cost ten times. */
const encodedMax = 64
/** Buckets that wait to be counted: most histograms have few, and a list is shorter than a map. */
const bucketsWaitingMax = 64

/** Counts by bucket while they are added up; all 0 in between. One serves all histograms. */
const table = new Float64Array(bucketsMax)

/** Digits of five bits, from this character on; those of the next 32 say that more follow. */
const firstDigit = 0x30
const separator = ' '

/**
 * Counts whole numbers from 0 on in buckets that widen with the number, as HdrHistogram does:
 * quantiles are right to 1 %, numbers below 64 exactly. Memory is bounded: some 3,000 buckets, of
 * which only those in use exist.
 *
 * Node's own (`createHistogram`) takes no 0 and no counts: those of an hour are stored as text, and
 * added up again with others. One takes 14 KiB, however little it counts.
 */
export class LatencyHistogram {
  readonly #buckets: number[] = []
  readonly #encoded: string[] = []
  /** By bucket, of those that wait no longer. */
  readonly #counts = new Map<number, number>()

  add(value: number): void {
    const buckets = this.#buckets
    buckets.push(bucketOf(value))
    if (buckets.length < bucketsWaitingMax) return
    for (const bucket of buckets) this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
    buckets.length = 0
  }

  /** Adds what `encode` gave, once or several times, joined by spaces. */
  addEncoded(text: string): void {
    if (text !== '') this.#encoded.push(text)
    if (this.#encoded.length >= encodedMax)
      this.#addUp((low, high) => {
        for (let bucket = low; bucket <= high; bucket += 1) {
          const count = table[bucket] ?? 0
          if (count > 0) this.#counts.set(bucket, count)
        }
        this.#buckets.length = 0
        this.#encoded.length = 0
      })
  }

  /** The buckets in use, rising: the distance from the one before, and the count. */
  encode(): string {
    return this.#addUp((low, high) => {
      let text = ''
      let before = 0
      for (let bucket = low; bucket <= high; bucket += 1) {
        const count = table[bucket] ?? 0
        if (count === 0) continue
        text += digitsOf(bucket - before) + digitsOf(count)
        before = bucket
      }
      return text
    })
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
    const range = { low: bucketsMax, high: -1 }
    try {
      for (const [bucket, count] of this.#counts) addToTable(range, bucket, count)
      for (const bucket of this.#buckets) addToTable(range, bucket, 1)
      for (const text of this.#encoded) addEncodedToTable(range, text)
      return use(range.low, range.high)
    } finally {
      table.fill(0, range.low, range.high + 1)
    }
  }
}

interface Range {
  low: number
  high: number
}

function addToTable(range: Range, bucket: number, count: number): void {
  if (!(bucket < bucketsMax)) throw new RangeError('ledger: a histogram has too large a number')
  table[bucket] = (table[bucket] ?? 0) + count
  if (bucket < range.low) range.low = bucket
  if (bucket > range.high) range.high = bucket
}

function addEncodedToTable(range: Range, text: string): void {
  let bucket = 0
  for (let at = 0; at < text.length; )
    if (text[at] === separator) {
      bucket = 0
      at += 1
    } else {
      bucket += numberAt(text, at)
      addToTable(range, bucket, numberAt(text, numberEnd))
      at = numberEnd
    }
}

/** Where the number that was read last ended: a second result, without an object for it. */
let numberEnd = 0

function numberAt(text: string, start: number): number {
  let value = 0
  let scale = 1
  for (let at = start; at < text.length; scale *= 32) {
    const digit = text.charCodeAt(at++) - firstDigit
    if (!(digit >= 0 && digit < 64)) break
    value += (digit % 32) * scale
    if (digit < 32) {
      numberEnd = at
      return value
    }
  }
  throw new RangeError('ledger: a histogram is damaged')
}

function digitsOf(value: number): string {
  let digits = ''
  let rest = value
  for (; rest >= 32; rest = Math.floor(rest / 32))
    digits += String.fromCharCode(firstDigit + 32 + (rest % 32))
  return digits + String.fromCharCode(firstDigit + rest)
}

function bucketOf(value: number): number {
  if (value < bucketsPerDoubling) return value
  const high = value < 2 ** 31 ? 31 - Math.clz32(value) : Math.floor(Math.log2(value))
  const doublings = high - doublingBits
  return doublings * bucketsPerDoubling + Math.floor(value / 2 ** doublings)
}

function middleOf(bucket: number): number {
  if (bucket < 2 * bucketsPerDoubling) return bucket
  const doublings = Math.floor(bucket / bucketsPerDoubling) - 1
  const low = (bucket - doublings * bucketsPerDoubling) * 2 ** doublings
  return low + (2 ** doublings - 1) / 2
}
