import { walkEntries } from '../../../ledger/format/block.ts'
import { linkBytes } from '../../../ledger/format/chain.ts'
import { decodeEntry } from '../../../ledger/format/encoding.ts'
import { EntrySkim } from '../../../ledger/format/entry-view.ts'
import {
  comparePositions,
  formatPosition,
  type LedgerPosition,
  readPosition,
} from '../../../ledger/format/position.ts'
import type { LedgerRecord } from '../../../ledger/format/record.ts'
import type { LedgerQuery } from '../../../ledger/ledger.ts'
import { ledgerPageOf } from '../../../ledger/query/ledger-page.ts'
import { createUsageSum } from '../../../ledger/query/usage.ts'
import type { ReaderData, ThreadCalls } from './calls.ts'
import { bufferOf } from './index/block-ids.ts'
import { type BlockSource, createBlockSource, type FoundBlock } from './index/block-source.ts'
import { createMatcher, type Matcher } from './index/matcher.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'

/** The reading side of a ledger, as a thread runs it. The file is opened with the first call. */
export function createLedgerSearch({ file }: ReaderData): Pick<ThreadCalls, 'query' | 'usage' | 'close'> {
  let open: { readonly source: BlockSource; readonly close: () => void } | undefined

  function use(): BlockSource {
    if (open === undefined) {
      const database = openLedgerDatabaseToRead(file)
      open = { source: createBlockSource(database), close: () => database.close() }
    }
    return open.source
  }

  return {
    query: (query) => ledgerPageOf(findRecords(use(), query), query),
    usage(query) {
      const sum = createUsageSum(query)
      const matcher = createMatcher(query)
      for (const block of use().find(query, 'oldest', undefined))
        forMatches(block, matcher, (entry) => sum.add(decodeEntry(entry)))
      return sum.rows()
    },
    close() {
      open?.close()
      open = undefined
      return undefined
    },
  }
}

/** What matches, in the query's order, and one more than its limit. */
function findRecords(source: BlockSource, query: LedgerQuery): LedgerRecord[] {
  const { limit, order } = query
  const after = query.after === undefined ? undefined : readPosition(query.after)
  const matcher = createMatcher(query)
  const found: LedgerRecord[] = []
  for (const block of source.find(query, order, after?.block)) {
    const matches: { readonly entry: Buffer; readonly index: number; readonly link: Buffer }[] = []
    forMatches(block, matcher, (entry, index, link) => {
      if (isBehind({ block: block.id, index }, after, order)) matches.push({ entry, index, link })
    })
    if (order === 'newest') matches.reverse()
    for (const { entry, index, link } of matches.slice(0, limit + 1 - found.length))
      found.push({
        ...decodeEntry(entry),
        position: formatPosition({ block: block.id, index }),
        stream: block.stream,
        seq: block.firstSeq + index,
        hash: link.toString('hex'),
      })
    if (found.length > limit) break
  }
  return found
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

const skim = new EntrySkim()

function forMatches(
  { body: bytes }: FoundBlock,
  matcher: Matcher,
  use: (entry: Buffer, index: number, link: Buffer) => void,
): void {
  const body = bufferOf(bytes)
  if (!matcher.mayHold(body)) return
  walkEntries(body, (start, end, index) => {
    skim.read(body, start)
    if (matcher.isMatch(skim)) use(body.subarray(start, end), index, body.subarray(end, end + linkBytes))
  })
}
