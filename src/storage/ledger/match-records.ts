import { bufferOf, walkEntries } from '../../ledger/format/block.ts'
import { chainHashBytes } from '../../ledger/format/chain.ts'
import { decodeEntry } from '../../ledger/format/encoding.ts'
import { EntryView } from '../../ledger/format/entry-view.ts'
import { comparePositions, formatPosition, type LedgerPosition } from '../../ledger/format/position.ts'
import type { LedgerRecord } from '../../ledger/format/record.ts'
import type { LedgerQuery } from '../../ledger/ledger.ts'
import type { Matcher } from '../../ledger/query/filter.ts'

/** A block as queries need it. */
export interface FoundBlock {
  readonly id: number
  readonly stream: string
  readonly firstSeq: number
  readonly body: Uint8Array
}

export interface RecordSearch {
  readonly order: LedgerQuery['order']
  readonly matcher: Matcher
  /** Only records behind it, in the order. */
  readonly after: LedgerPosition | undefined
}

/** The matches of a block in the search's order, at most so many. */
export function matchRecords(
  block: FoundBlock,
  { order, matcher, after }: RecordSearch,
  max: number,
): LedgerRecord[] {
  const matches: { readonly entry: Buffer; readonly index: number; readonly hash: string }[] = []
  forMatches(block, matcher, (entry, index, hash) => {
    if (isBehind({ block: block.id, index }, after, order)) matches.push({ entry, index, hash })
  })
  if (order === 'newest') matches.reverse()
  return matches.slice(0, max).map(({ entry, index, hash }) => ({
    ...decodeEntry(entry),
    position: formatPosition({ block: block.id, index }),
    stream: block.stream,
    seq: block.firstSeq + index,
    hash,
  }))
}

function isBehind(
  position: LedgerPosition,
  border: LedgerPosition | undefined,
  order: LedgerQuery['order'],
): boolean {
  if (border === undefined) return true
  const distance = comparePositions(position, border)
  return order === 'oldest' ? distance > 0 : distance < 0
}

const view = new EntryView()

function forMatches(
  { body: bytes }: FoundBlock,
  matcher: Matcher,
  use: (entry: Buffer, index: number, hash: string) => void,
): void {
  const body = bufferOf(bytes)
  if (!matcher.mayHold(body)) return
  walkEntries(body, (start, end, index) => {
    view.read(body, start)
    if (matcher.isMatch(view))
      use(body.subarray(start, end), index, body.toString('hex', end, end + chainHashBytes))
  })
}
