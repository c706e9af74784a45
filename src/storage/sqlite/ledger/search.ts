import { bufferOf, walkEntries } from '../../../ledger/format/block.ts'
import { chainHashBytes } from '../../../ledger/format/chain.ts'
import { decodeEntry } from '../../../ledger/format/encoding.ts'
import { EntryView } from '../../../ledger/format/entry-view.ts'
import {
  comparePositions,
  formatPosition,
  type LedgerPosition,
  readPosition,
} from '../../../ledger/format/position.ts'
import type { LedgerRecord } from '../../../ledger/format/record.ts'
import type { LedgerQuery } from '../../../ledger/ledger.ts'
import { createMatcher, ledgerPageOf, type Matcher } from '../../../ledger/query/filter.ts'
import type { SqliteDatabase } from '../database.ts'
import { type BlockSource, createBlockSource, type FoundBlock } from './index/block-source.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'
import type { LedgerThreadCalls, ReaderData } from './threads.ts'
import { sumUsage } from './usage/sum-usage.ts'

/** Answers queries, as a thread. The file is opened with the first call. */
export function createLedgerSearch({
  file,
}: ReaderData): Pick<LedgerThreadCalls, 'query' | 'usage' | 'close'> {
  let open: { readonly source: BlockSource; readonly database: SqliteDatabase } | undefined

  function use(): NonNullable<typeof open> {
    if (open === undefined) {
      const database = openLedgerDatabaseToRead(file)
      open = { source: createBlockSource(database), database }
    }
    return open
  }

  return {
    query: (query) => ledgerPageOf(findRecords(use().source, query), query),
    usage({ query, held }) {
      const { database, source } = use()
      return sumUsage({ file, ledger: database, blocks: source, held }, query)
    },
    close() {
      open?.database.close()
      open = undefined
      return undefined
    },
  }
}

/** Matches in the query's order, one more than its limit if there are so many. */
function findRecords(source: BlockSource, query: LedgerQuery): LedgerRecord[] {
  const { limit, order } = query
  const after = query.after === undefined ? undefined : readPosition(query.after)
  const matcher = createMatcher(query)
  const found: LedgerRecord[] = []
  for (const block of source.find(query, order, after?.block)) {
    const matches: { readonly entry: Buffer; readonly index: number; readonly hash: string }[] = []
    forMatches(block, matcher, (entry, index, hash) => {
      if (isBehind({ block: block.id, index }, after, order)) matches.push({ entry, index, hash })
    })
    if (order === 'newest') matches.reverse()
    for (const { entry, index, hash } of matches.slice(0, limit + 1 - found.length))
      found.push({
        ...decodeEntry(entry),
        position: formatPosition({ block: block.id, index }),
        stream: block.stream,
        seq: block.firstSeq + index,
        hash,
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
