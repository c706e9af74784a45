import { frameOf, type LedgerBlock, type RecordFrame } from './block.ts'
import { linkTextOf } from './ledger-link.ts'

/** A record whose link fits. Only looked at so far: to decode an entry costs five times what its hash does. */
export interface WalkedRecord extends RecordFrame {
  readonly seq: number
  readonly link: string
  readonly index: number
}

/** How far a walk came. */
export interface WalkEnd {
  /** Why it ended before the block did: a link that is not the one the record has there, or bytes that are no record. */
  readonly stop: 'misfit' | 'undecodable' | undefined
  /** Records that fit, the place of the one that follows them, and the link before it. */
  readonly count: number
  readonly at: number
  readonly link: string
  /** Least and greatest `at` of those that fit. */
  readonly minAt: number
  readonly maxAt: number
}

/** A block's body as a buffer, which it may be already; nothing is copied. */
export function bodyOf({ body }: LedgerBlock): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}

/**
 * Follows the chain through a block up to the first record that does not fit.
 *
 * @param seqBefore number of the record before it, whose link is `linkBefore`
 * @param onRecord called for each that fits
 */
export function walkBlock(
  body: Buffer,
  seqBefore: number,
  linkBefore: string,
  onRecord: (record: WalkedRecord) => void,
): WalkEnd {
  let link = linkBefore
  let index = 0
  let at = 0
  let minAt = Number.POSITIVE_INFINITY
  let maxAt = Number.NEGATIVE_INFINITY
  const ended = (stop: WalkEnd['stop']): WalkEnd => ({ stop, count: index, at, link, minAt, maxAt })
  while (at < body.length) {
    const frame = frameOf(body, at)
    if (frame === undefined) return ended('undecodable')
    const { start, end, next } = frame
    const seq = seqBefore + index + 1
    const expected = linkTextOf(link, seq, body, start, end)
    if (body.toString('latin1', end, next) !== expected) return ended('misfit')
    link = expected
    const time = timeOf(body, start, end)
    if (time < minAt) minAt = time
    if (time > maxAt) maxAt = time
    onRecord({ seq, link, index, start, end, next })
    index += 1
    at = next
  }
  return ended(undefined)
}

/** `at` of an entry, which is its first field, after the version and the event. */
function timeOf(body: Buffer, start: number, end: number): number {
  let value = 0
  let scale = 1
  for (let at = start + 2; at < end; at += 1) {
    const next = body[at] ?? 0
    value += (next & 0x7f) * scale
    if (next < 0x80) break
    scale *= 128
  }
  return value
}
