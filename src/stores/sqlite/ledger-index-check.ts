import { bodyOf } from '../../core/block-walk.ts'
import { type LedgerBlock, walkEntries } from '../../core/ledger-block.ts'
import type { LedgerFinding } from '../../core/ledger-finding.ts'
import { formatPosition } from '../../core/ledger-position.ts'
import { EntrySkim } from '../../core/ledger-skim.ts'
import type { LedgerIndexCheck } from '../../core/ledger-verify.ts'
import { ByteMap } from './byte-map.ts'
import type { SqliteDatabase } from './database.ts'
import { bufferOf, decodeIds } from './ledger-ids.ts'
import { indexedTexts, indexedUntil, spanRowsMax } from './ledger-index.ts'

/** The blocks of one term within a span, and which of them is come to next. */
interface TermBlocks {
  readonly ids: readonly number[]
  at: number
}

interface IndexSpan {
  /** Its last block. */
  readonly until: number
  /** For each kind of term, by its prefix, where its texts stand. */
  readonly kinds: ReadonlyMap<string, ByteMap<TermBlocks>>
}

/** A term as bytes, for a text would end at its first NUL, and its blocks. */
type PostingCells = readonly [term: Uint8Array, blocks: Uint8Array]

const names = Object.keys(indexedTexts)
const colonByte = 0x3a

/**
 * Checks the index against the blocks: every record up to where it reaches must be found by each of its texts, and no block in a place where
 * a query would come upon it twice. A row for a text that its block does not hold is harmless, as queries look at the records. One span is
 * in memory at a time.
 */
export function createIndexCheck(database: SqliteDatabase): LedgerIndexCheck {
  const border = indexedUntil(database)
  const nextUntil = database.prepare<{ until: number | null }>(
    'SELECT min(until) AS until FROM posting WHERE until > ? AND until <= ?',
  )
  const rowsOf = database.prepareCells<PostingCells>(
    `SELECT CAST(term AS BLOB), blocks FROM posting WHERE until = ? LIMIT ${spanRowsMax + 1}`,
  )
  let span: IndexSpan | undefined = { until: 0, kinds: new Map() }
  let last: LedgerBlock | undefined

  /** Goes on to the span of a block, or to the end. Gives where one ends whose rows are wrong. */
  function goOn(id: number): number | undefined {
    while (span !== undefined && span.until < id) {
      const from: number = span.until
      const until = nextUntil.get(from, border)?.until ?? undefined
      const kinds = until === undefined ? undefined : readSpan(rowsOf.all(until), from, until)
      if (until !== undefined && kinds === undefined) return until
      span = until === undefined || kinds === undefined ? undefined : { until, kinds }
    }
    return undefined
  }

  return {
    check(block) {
      last = block
      if (block.id > border) return undefined
      const wrong = goOn(block.id)
      return wrong === undefined ? checkBlock(block, span) : wrongSpan(block, wrong)
    },
    end() {
      const wrong = goOn(Number.POSITIVE_INFINITY)
      if (wrong !== undefined) return wrongSpan(last, wrong)
      return border > (last?.id ?? 0) ? tooFar(last, border) : undefined
    },
  }
}

/** The rows of a span; undefined where they are too many, or name a block that is not of it or not in order. */
function readSpan(
  rows: readonly PostingCells[],
  from: number,
  until: number,
): ReadonlyMap<string, ByteMap<TermBlocks>> | undefined {
  if (rows.length > spanRowsMax) return undefined
  const texts = new Map(names.map((name) => [name, [] as (readonly [Uint8Array, TermBlocks])[]]))
  for (const [term, blocks] of rows) {
    const ids = decodeIds(blocks)
    if (ids.some((id, index) => id <= (ids[index - 1] ?? from) || id > until)) return undefined
    const colon = term.indexOf(colonByte)
    texts.get(bufferOf(term).toString('latin1', 0, colon))?.push([term.subarray(colon + 1), { ids, at: 0 }])
  }
  return new Map([...texts].map(([name, found]) => [name, new ByteMap(found)]))
}

const skim = new EntrySkim()

/** @param span the one that the block belongs to; undefined where there is none, so that nothing is found */
function checkBlock(block: LedgerBlock, span: IndexSpan | undefined): LedgerFinding | undefined {
  const body = bodyOf(block)
  const kinds = Object.entries(indexedTexts).map(([name, text]) => ({
    name,
    text,
    terms: span?.kinds.get(name),
  }))
  let finding: LedgerFinding | undefined
  walkEntries(body, (start, _end, index) => {
    if (finding !== undefined) return
    if (!isRead(body, start)) {
      finding = unreadable(block, index)
      return
    }
    for (const { name, text, terms } of kinds) {
      const length = skim.lengthOf(text)
      if (length >= 0 && !holds(terms?.get(body, skim.startOf(text), length), block.id))
        finding ??= notFound(block, index, name)
    }
  })
  return finding
}

function isRead(body: Buffer, start: number): boolean {
  try {
    skim.read(body, start)
    return true
  } catch {
    return false
  }
}

/** Blocks are asked for in the order of their ids. */
function holds(blocks: TermBlocks | undefined, id: number): boolean {
  if (blocks === undefined) return false
  const { ids } = blocks
  while ((ids[blocks.at] ?? Number.POSITIVE_INFINITY) < id) blocks.at += 1
  return ids[blocks.at] === id
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

function wrongSpan(block: LedgerBlock | undefined, until: number): LedgerFinding {
  return indexChanged(
    block,
    `its rows for the blocks up to ${until} are too many, or name blocks that are not of those`,
  )
}

function tooFar(block: LedgerBlock | undefined, border: number): LedgerFinding {
  const message = `it claims to reach up to block ${border}, and the last is ${block?.id ?? 'missing'}: queries would miss those that come`
  return indexChanged(block, message)
}

/** @param block the last one that was come to */
function indexChanged(block: LedgerBlock | undefined, message: string): LedgerFinding {
  return {
    kind: 'index_changed',
    stream: block?.stream ?? '',
    seq: block?.firstSeq ?? 1,
    position: block === undefined ? null : formatPosition({ block: block.id, index: 0 }),
    message: `the index that queries go by was changed: ${message}`,
  }
}
