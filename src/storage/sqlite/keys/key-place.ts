/** Keys whose ids hash alike find room beside each other. Ids are random, so that two ever do is a one in 2^48 matter. */
export const neighboursMax = 16

/**
 * Where a key's row is looked for: the first of `neighboursMax` rowids that its id may have, a whole number below 2^52.
 *
 * Tables of SQLite are trees by rowid. Under a rowid of its own a row is reached through an index, a second tree whose
 * pages no longer fit the cache with a million keys; under one derived from the id the one tree is enough, and what of it
 * leads to the leaves is 1.2 MB then. The hash is part of the file format (cyrb53 by bryc, public domain, cut to 48 bits);
 * it need not be a secret one, as nobody but the deployment chooses ids.
 */
export function placeOf(id: string): number {
  let low = 0xdeadbeef
  let high = 0x41c6ce57
  for (let at = 0; at < id.length; at += 1) {
    const unit = id.charCodeAt(at)
    low = Math.imul(low ^ unit, 2_654_435_761)
    high = Math.imul(high ^ unit, 1_597_334_677)
  }
  const mixedLow =
    Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  const mixedHigh =
    Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(mixedLow ^ (mixedLow >>> 13), 3_266_489_909)
  return ((mixedHigh & 0xffff) * 2 ** 32 + (mixedLow >>> 0)) * neighboursMax
}
