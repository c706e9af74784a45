import { frameOf, type RecordFrame } from './block.ts'
import { type ChainHash, nextChainHash, readChainHash } from './chain.ts'
import { entryTime } from './entry-view.ts'

/** A record whose chain hash fits. Not decoded: that costs five times what its hash does. */
export interface WalkedRecord extends RecordFrame {
  readonly seq: number
  readonly chainHash: ChainHash
  readonly index: number
}

/** How far a walk came. */
export interface WalkEnd {
  /** Why it ended before the block: a chain hash that does not fit, or bytes that are no record. */
  readonly stop: 'misfit' | 'undecodable' | undefined
  /** Records that fit, where the next one begins, and the chain hash before it. */
  readonly count: number
  readonly at: number
  readonly chainHash: ChainHash
  /** Least and greatest `at` of those that fit. */
  readonly minAt: number
  readonly maxAt: number
}

/**
 * Follows the chain through a block's body up to the first record that does not fit.
 *
 * @param seqBefore number of the record before it, whose chain hash is `hashBefore`
 * @param onRecord called for each that fits
 */
export function walkBlock(
  body: Buffer,
  seqBefore: number,
  hashBefore: ChainHash,
  onRecord: (record: WalkedRecord) => void,
): WalkEnd {
  let chainHash = hashBefore
  let index = 0
  let at = 0
  let minAt = Number.POSITIVE_INFINITY
  let maxAt = Number.NEGATIVE_INFINITY
  let stop: WalkEnd['stop']
  while (at < body.length) {
    const frame = frameOf(body, at)
    if (frame === undefined) {
      stop = 'undecodable'
      break
    }
    const { start, end, next } = frame
    const seq = seqBefore + index + 1
    const expected = nextChainHash(chainHash, seq, body, start, end)
    if (readChainHash(body, end) !== expected) {
      stop = 'misfit'
      break
    }
    chainHash = expected
    const time = entryTime(body, start, end)
    if (time < minAt) minAt = time
    if (time > maxAt) maxAt = time
    onRecord({ seq, chainHash, index, start, end, next })
    index += 1
    at = next
  }
  return { stop, count: index, at, chainHash, minAt, maxAt }
}
