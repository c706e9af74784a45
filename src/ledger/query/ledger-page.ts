import type { LedgerRecord } from '../format/record.ts'
import type { LedgerPage, LedgerQuery } from '../ledger.ts'

/**
 * The page of a query.
 *
 * @param found what matches, in the query's order: one more than its limit where there are so many, which tells that there is a next page
 */
export function ledgerPageOf(found: readonly LedgerRecord[], query: LedgerQuery): LedgerPage {
  const records = found.slice(0, query.limit)
  const last = records.at(-1)?.position
  // Whoever reads on as records come needs a place to go on from, even where nothing was found this time.
  if (query.order === 'oldest') return { records, next: last ?? query.after }
  return { records, next: found.length > query.limit ? last : undefined }
}
