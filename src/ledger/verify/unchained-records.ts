import { frameOf, type LedgerBlock } from '../format/block.ts'
import { formatPosition } from '../format/position.ts'
import { bodyOf } from '../format/walk-block.ts'

/** A record that could not be checked any more, because it or one before it in its stream does not fit. */
export interface LooseRecord {
  readonly entry: Buffer
  /** The link that is written with it, as `linkTextOf` writes it. */
  readonly link: string
  /** The number that its block's columns give it. */
  readonly claimed: number
  readonly position: string
}

/** How many records and blocks after a break are looked at, to say what happened. */
const looseRecordsMax = 1_024
const looseBlocksMax = 4_096

/** Records of a block behind a break. */
export interface LooseRecords {
  /** The first of them. */
  readonly records: readonly LooseRecord[]
  /** How many there are. */
  readonly count: number
  /** Whether the block's bytes are records up to its end. */
  readonly isWhole: boolean
}

/** The records of a block from the byte `at` on, which is where its record `index` begins. */
export function looseRecordsOf(block: LedgerBlock, at: number, index: number): LooseRecords {
  const body = bodyOf(block)
  const records: LooseRecord[] = []
  let count = 0
  let from = at
  while (from < body.length) {
    const frame = frameOf(body, from)
    if (frame === undefined) return { records, count, isWhole: false }
    const { start, end, next } = frame
    const number = index + count
    if (count < looseRecordsMax)
      records.push({
        entry: body.subarray(start, end),
        link: body.toString('latin1', end, next),
        claimed: block.firstSeq + number,
        position: formatPosition({ block: block.id, index: number }),
      })
    count += 1
    from = next
  }
  return { records, count, isWhole: true }
}

/** The stream's records in the blocks that follow. */
export function looseRecordsAfter(
  stream: string,
  source: Iterator<LedgerBlock, unknown, undefined>,
): readonly LooseRecord[] {
  const found: LooseRecord[] = []
  for (let blocks = 0; blocks < looseBlocksMax && found.length < looseRecordsMax; blocks += 1) {
    const next = source.next()
    if (next.done === true) break
    if (next.value.stream !== stream) continue
    const { records, isWhole } = looseRecordsOf(next.value, 0, 0)
    found.push(...records)
    if (!isWhole) break
  }
  return found
}
