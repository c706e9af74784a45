import type { LedgerBlock } from '../format/block.ts'
import { formatPosition } from '../format/position.ts'
import { explainBreak, fits } from './explain-break.ts'
import type { LedgerFinding } from './finding.ts'
import type { RecentLinks } from './recent-hashes.ts'
import { looseRecordsAfter, looseRecordsOf } from './unchained-records.ts'

/** Where the chain breaks in a block. */
export interface Misfit {
  /** The links of the stream up to there. */
  readonly recent: RecentLinks
  /** Whether no record of the stream comes before it, and no base stands for any that were dropped. */
  readonly isStart: boolean
  /** The first byte of the record that does not fit, and which of the block it is. The end of the body where records lack. */
  readonly at: number
  readonly index: number
}

/** Says what happened where the chain breaks; `source` gives the blocks that follow. */
export function diagnoseMisfit(
  block: LedgerBlock,
  { recent, isStart, at, index }: Misfit,
  source: Iterator<LedgerBlock, unknown, undefined>,
): LedgerFinding {
  const { stream } = block
  const seq = recent.last + 1
  const { records, count, isWhole } = looseRecordsOf(block, at, index)
  const position = formatPosition({ block: block.id, index })
  if (!isWhole) {
    const message = `the bytes of block ${block.id} are no records any more, from record ${seq} on`
    return { kind: 'undecodable', stream, seq, position, message }
  }
  const lacking = Math.max(0, block.count - index - count)
  const [first, ...rest] = [...records, ...looseRecordsAfter(stream, source)]
  if (first === undefined || (count === 0 && fits(recent.at(recent.last), seq, first))) {
    const or =
      first === undefined
        ? ', or records were removed from its end'
        : ', and the next block goes on from there'
    const message = `block ${block.id} was changed around its records: count is ${block.count}, and there are ${index}${or}`
    return { kind: 'block_changed', stream, seq, position: null, message }
  }
  return explainBreak({ stream, recent, isStart, loose: [first, ...rest], lacking })
}
