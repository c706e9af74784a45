import { readPosition } from '../../../ledger/format/position.ts'
import type { LedgerRecord } from '../../../ledger/format/record.ts'
import type { LedgerQuery } from '../../../ledger/ledger.ts'
import { createMatcher, ledgerPageOf } from '../../../ledger/query/filter.ts'
import { matchRecords } from '../../ledger/match-records.ts'
import type { SqliteDatabase } from '../database.ts'
import { type BlockSource, createBlockSource } from './index/block-source.ts'
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
  const search = { order, matcher: createMatcher(query), after }
  const found: LedgerRecord[] = []
  for (const block of source.find(query, order, after?.block)) {
    found.push(...matchRecords(block, search, limit + 1 - found.length))
    if (found.length > limit) break
  }
  return found
}
