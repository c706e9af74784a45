import type { LedgerBlock } from '../../../ledger/format/block.ts'
import type { LedgerFinding } from '../../../ledger/verify/finding.ts'
import type { LedgerIndexCheck } from '../../../ledger/verify/verify-ledger.ts'
import {
  checkIndexed,
  type IndexSegment,
  indexTooFar,
  noSegment,
  readSegment,
  wrongSegment,
} from '../../ledger/check-indexed.ts'
import { segmentRowsMax } from '../../ledger/segment-postings.ts'
import type { Query } from '../postgres.ts'

/** Checks the index against the blocks. Segments are waited for: they are read before the check. */
export interface PostedIndexCheck extends LedgerIndexCheck {
  /** Reads the segment of a block that is checked next; without an id, those that are left. */
  readonly prepare: (id?: number) => Promise<void>
}

/**
 * As far as the index reaches, every record must be found by each of its texts, and no query may
 * find a block twice. One segment is in memory at a time.
 */
export async function createIndexCheck(query: Query, schema: string): Promise<PostedIndexCheck> {
  const [end] = await query<{ until: number }>(
    `SELECT coalesce(max(until), 0)::float8 AS until FROM ${schema}.indexed`,
  )
  const border = end?.until ?? 0
  let segment: IndexSegment | undefined = noSegment
  let wrong: number | undefined
  let last: LedgerBlock | undefined

  async function readNext(from: number): Promise<void> {
    const [next] = await query<{ until: number | null }>(
      `SELECT min(until)::float8 AS until FROM ${schema}.indexed WHERE until > $1`,
      [from],
    )
    const until = next?.until ?? undefined
    if (until === undefined) {
      segment = undefined
      return
    }
    const rows = await query<{ term: string; blocks: string }>(
      `SELECT upper(encode(term, 'hex')) AS term, upper(encode(blocks, 'hex')) AS blocks
       FROM ${schema}.posting WHERE until = $1 LIMIT ${segmentRowsMax + 1}`,
      [until],
    )
    const terms = readSegment(
      rows.map(({ term, blocks }) => [term, blocks] as const),
      from,
      until,
    )
    if (terms === undefined) wrong = until
    else segment = { until, terms }
  }

  return {
    async prepare(id = Number.MAX_SAFE_INTEGER) {
      if (id > border && id !== Number.MAX_SAFE_INTEGER) return
      while (wrong === undefined && segment !== undefined && segment.until < id) await readNext(segment.until)
    },
    check(block): LedgerFinding | undefined {
      last = block
      if (block.id > border) return undefined
      return wrong === undefined ? checkIndexed(block, segment?.terms) : wrongSegment(block, wrong)
    },
    end() {
      if (wrong !== undefined) return wrongSegment(last, wrong)
      return border > (last?.id ?? 0) ? indexTooFar(last, border) : undefined
    },
  }
}
