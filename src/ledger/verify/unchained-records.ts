import { bufferOf, frameOf, type LedgerBlock } from '../format/block.ts'
import { type ChainHash, readChainHash } from '../format/chain.ts'
import { formatPosition } from '../format/position.ts'

/** A record behind a break of its stream's chain, which therefore cannot be verified. */
export interface UnchainedRecord {
  readonly entry: Buffer
  /** The chain hash that is stored with it. */
  readonly chainHash: ChainHash
  /** The number that its block's columns give it. */
  readonly claimed: number
  readonly position: string
}

/** How many records and blocks behind a break are looked at, to explain it. */
const unchainedRecordsMax = 1_024
const unchainedBlocksMax = 4_096

/** Records of a block behind a break. */
export interface UnchainedRecords {
  /** The first of them. */
  readonly records: readonly UnchainedRecord[]
  /** How many there are. */
  readonly count: number
  /** Whether the block's bytes are records up to its end. */
  readonly isWhole: boolean
}

/** The records of a block from the byte `at` on, where its record `index` begins. */
export function unchainedRecordsOf(block: LedgerBlock, at: number, index: number): UnchainedRecords {
  const body = bufferOf(block.body)
  const records: UnchainedRecord[] = []
  let count = 0
  let from = at
  while (from < body.length) {
    const frame = frameOf(body, from)
    if (frame === undefined) return { records, count, isWhole: false }
    const { start, end, next } = frame
    const number = index + count
    if (count < unchainedRecordsMax)
      records.push({
        entry: body.subarray(start, end),
        chainHash: readChainHash(body, end),
        claimed: block.firstSeq + number,
        position: formatPosition({ block: block.id, index: number }),
      })
    count += 1
    from = next
  }
  return { records, count, isWhole: true }
}

/** The blocks that follow: each `yield` asks for the next, and gets undefined behind the last. */
export type FollowingBlocks<Result> = Generator<undefined, Result, LedgerBlock | undefined>

/** The stream's records in the blocks that follow. */
export function* unchainedRecordsAfter(stream: string): FollowingBlocks<readonly UnchainedRecord[]> {
  const found: UnchainedRecord[] = []
  for (let blocks = 0; blocks < unchainedBlocksMax && found.length < unchainedRecordsMax; blocks += 1) {
    const next = yield
    if (next === undefined) break
    if (next.stream !== stream) continue
    const { records, isWhole } = unchainedRecordsOf(next, 0, 0)
    found.push(...records)
    if (!isWhole) break
  }
  return found
}
