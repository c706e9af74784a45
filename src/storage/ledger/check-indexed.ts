import { bufferOf, type LedgerBlock, walkEntries } from '../../ledger/format/block.ts'
import { EntryView, viewedTexts } from '../../ledger/format/entry-view.ts'
import { formatPosition } from '../../ledger/format/position.ts'
import type { LedgerFinding } from '../../ledger/verify/finding.ts'
import { indexedTexts, segmentRowsMax } from './segment-postings.ts'
import { type PostingCells, SegmentTerms } from './segment-terms.ts'

const names = Object.keys(indexedTexts)
const prefixes = names.map((name) => `${name}:`)
const places = Object.values(indexedTexts).map((text) => viewedTexts[text])

/** Blocks that are indexed together, and what they are found by. */
export interface IndexSegment {
  /** Its last block. */
  readonly until: number
  readonly terms: SegmentTerms
}

/** What stands before the first. */
export const noSegment: IndexSegment = { until: 0, terms: new SegmentTerms([], prefixes) }

/**
 * The rows of a segment; undefined if they are too many, or name blocks of others or out of order.
 */
export function readSegment(
  rows: readonly PostingCells[],
  from: number,
  until: number,
): SegmentTerms | undefined {
  if (rows.length > segmentRowsMax) return undefined
  const terms = new SegmentTerms(rows, prefixes)
  return terms.areOf(from, until) ? terms : undefined
}

const view = new EntryView()

/**
 * Whether every record of a block is found by each of its texts.
 *
 * @param terms those of the block's segment; undefined, so that nothing is found, without one
 */
export function checkIndexed(block: LedgerBlock, terms: SegmentTerms | undefined): LedgerFinding | undefined {
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

/** A segment has rows that are not its own. */
export function wrongSegment(block: LedgerBlock | undefined, until: number): LedgerFinding {
  return indexChanged(
    block,
    `its rows for the blocks up to ${until} are too many, or name blocks that are not of those`,
  )
}

/** The index claims blocks that are not there yet. */
export function indexTooFar(block: LedgerBlock | undefined, border: number): LedgerFinding {
  const message = `it claims to reach up to block ${border}, and the last is ${block?.id ?? 'missing'}: queries would miss those that come`
  return indexChanged(block, message)
}

/**
 * A finding about the whole of the index.
 *
 * @param block the last one that was checked
 */
export function indexChanged(block: LedgerBlock | undefined, message: string): LedgerFinding {
  return {
    kind: 'index_changed',
    stream: block?.stream ?? '',
    seq: block?.firstSeq ?? 1,
    position: block === undefined ? null : formatPosition({ block: block.id, index: 0 }),
    message: `the index that queries go by was changed: ${message}`,
  }
}
