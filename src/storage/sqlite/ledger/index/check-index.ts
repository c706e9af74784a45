import type { LedgerBlock } from '../../../../ledger/format/block.ts'
import type { LedgerIndexCheck } from '../../../../ledger/verify/verify-ledger.ts'
import {
  checkIndexed,
  type IndexSegment,
  indexChanged,
  indexTooFar,
  noSegment,
  readSegment,
  wrongSegment,
} from '../../../ledger/check-indexed.ts'
import { segmentRowsMax } from '../../../ledger/segment-postings.ts'
import type { PostingCells } from '../../../ledger/segment-terms.ts'
import { readValue, type SqliteDatabase } from '../../database.ts'
import { hasSchema } from '../check-schema.ts'
import { ledgerSteps } from '../ledger-schema.ts'
import { indexedUntil } from './postings.ts'

/**
 * Checks the index against the blocks: as far as it reaches, every record must be found by each of
 * its texts, and no query may find a block twice. A row for a text that its block does not have is
 * harmless: queries look at the records. One segment is in memory at a time.
 */
export function createIndexCheck(database: SqliteDatabase): LedgerIndexCheck {
  // A copy may be of an older version.
  const version = Number(readValue(database, 'PRAGMA user_version'))
  if (!hasSchema(database, ledgerSteps.slice(0, version).join(''))) return otherTables
  const border = indexedUntil(database)
  const nextUntil = database.prepare<{ until: number | null }>(
    'SELECT min(until) AS until FROM posting WHERE until > ? AND until <= ?',
  )
  const rowsOf = database.prepareCells<PostingCells>(
    `SELECT hex(term), hex(blocks) FROM posting WHERE until = ? LIMIT ${segmentRowsMax + 1}`,
  )
  let segment: IndexSegment | undefined = noSegment
  let last: LedgerBlock | undefined

  /**
   * Goes on to the segment of a block, or to the end. Returns the end of a segment with wrong rows.
   */
  function goOn(id: number): number | undefined {
    while (segment !== undefined && segment.until < id) {
      const from: number = segment.until
      const until = nextUntil.get(from, border)?.until ?? undefined
      const terms = until === undefined ? undefined : readSegment(rowsOf.all(until), from, until)
      if (until !== undefined && terms === undefined) return until
      segment = until === undefined || terms === undefined ? undefined : { until, terms }
    }
    return undefined
  }

  return {
    check(block) {
      last = block
      if (block.id > border) return undefined
      const wrong = goOn(block.id)
      return wrong === undefined ? checkIndexed(block, segment?.terms) : wrongSegment(block, wrong)
    },
    end() {
      const wrong = goOn(Number.POSITIVE_INFINITY)
      if (wrong !== undefined) return wrongSegment(last, wrong)
      return border > (last?.id ?? 0) ? indexTooFar(last, border) : undefined
    },
  }
}

/** Nothing that is read through unknown tables means anything. */
const otherTables: LedgerIndexCheck = {
  check: (block) => indexChanged(block, 'its tables are not those that a ledger is made with'),
  end: () => indexChanged(undefined, 'its tables are not those that a ledger is made with'),
}
