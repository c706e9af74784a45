import { bufferOf, type LedgerBlock, walkEntries } from '../../../../ledger/format/block.ts'
import { EntryView, viewedTexts } from '../../../../ledger/format/entry-view.ts'
import { formatPosition } from '../../../../ledger/format/position.ts'
import type { LedgerFinding } from '../../../../ledger/verify/finding.ts'
import type { LedgerIndexCheck } from '../../../../ledger/verify/verify-ledger.ts'
import { readValue, type SqliteDatabase } from '../../database.ts'
import { hasSchema } from '../check-schema.ts'
import { ledgerSteps } from '../ledger-schema.ts'
import { indexedTexts, indexedUntil, segmentRowsMax } from './postings.ts'
import { type PostingCells, SegmentTerms } from './segment-terms.ts'

const names = Object.keys(indexedTexts)
const prefixes = names.map((name) => `${name}:`)
const places = Object.values(indexedTexts).map((text) => viewedTexts[text])

interface IndexSegment {
  /** Its last block. */
  readonly until: number
  readonly terms: SegmentTerms
}

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
  let segment: IndexSegment | undefined = { until: 0, terms: new SegmentTerms([], prefixes) }
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
      return wrong === undefined ? checkBlock(block, segment?.terms) : wrongSegment(block, wrong)
    },
    end() {
      const wrong = goOn(Number.POSITIVE_INFINITY)
      if (wrong !== undefined) return wrongSegment(last, wrong)
      return border > (last?.id ?? 0) ? tooFar(last, border) : undefined
    },
  }
}

/** Nothing that is read through unknown tables means anything. */
const otherTables: LedgerIndexCheck = {
  check: (block) => indexChanged(block, 'its tables are not those that a ledger is made with'),
  end: () => indexChanged(undefined, 'its tables are not those that a ledger is made with'),
}

/**
 * The rows of a segment; undefined if they are too many, or name blocks of others or out of order.
 */
function readSegment(rows: readonly PostingCells[], from: number, until: number): SegmentTerms | undefined {
  if (rows.length > segmentRowsMax) return undefined
  const terms = new SegmentTerms(rows, prefixes)
  return terms.areOf(from, until) ? terms : undefined
}

const view = new EntryView()

/** @param terms those of the block's segment; undefined, so that nothing is found, without one */
function checkBlock(block: LedgerBlock, terms: SegmentTerms | undefined): LedgerFinding | undefined {
  const body = bufferOf(block.body)
  let finding: LedgerFinding | undefined
  walkEntries(body, (start, _end, index) => {
    if (finding !== undefined) return
    if (!isRead(body, start)) {
      finding = unreadable(block, index)
      return
    }
    for (let kind = 0; kind < places.length; kind += 1) {
      const place = places[kind] ?? 0
      const length = view.lengthAt(place)
      if (length < 0 || terms?.has(kind, body, view.startAt(place), length, block.id) === true) continue
      finding = notFound(block, index, names[kind] ?? '')
      return
    }
  })
  return finding
}

function isRead(body: Buffer, start: number): boolean {
  try {
    view.read(body, start)
    return true
  } catch {
    return false
  }
}

function notFound({ id, stream, firstSeq }: LedgerBlock, index: number, name: string): LedgerFinding {
  const seq = firstSeq + index
  return {
    kind: 'index_changed',
    stream,
    seq,
    position: formatPosition({ block: id, index }),
    message: `record ${seq} is in order, and queries by its ${name} miss it: the index does not have block ${id} there`,
  }
}

function unreadable({ id, stream, firstSeq }: LedgerBlock, index: number): LedgerFinding {
  const seq = firstSeq + index
  const message = `record ${seq} fits its link and cannot be read: its texts do not end where they say`
  return { kind: 'undecodable', stream, seq, position: formatPosition({ block: id, index }), message }
}

function wrongSegment(block: LedgerBlock | undefined, until: number): LedgerFinding {
  return indexChanged(
    block,
    `its rows for the blocks up to ${until} are too many, or name blocks that are not of those`,
  )
}

function tooFar(block: LedgerBlock | undefined, border: number): LedgerFinding {
  const message = `it claims to reach up to block ${border}, and the last is ${block?.id ?? 'missing'}: queries would miss those that come`
  return indexChanged(block, message)
}

/** @param block the last one that was checked */
function indexChanged(block: LedgerBlock | undefined, message: string): LedgerFinding {
  return {
    kind: 'index_changed',
    stream: block?.stream ?? '',
    seq: block?.firstSeq ?? 1,
    position: block === undefined ? null : formatPosition({ block: block.id, index: 0 }),
    message: `the index that queries go by was changed: ${message}`,
  }
}
