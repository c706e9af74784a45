import type { LedgerEntry } from '../format/record.ts'
import type { LedgerFilter } from '../ledger.ts'

/** Whether all that the filter asks for holds of an entry. */
export function isMatch(entry: LedgerEntry, filter: LedgerFilter): boolean {
  return (
    entry.at >= (filter.since ?? Number.NEGATIVE_INFINITY) &&
    entry.at < (filter.until ?? Number.POSITIVE_INFINITY) &&
    isAskedFor(entry.keyId, filter.keyId) &&
    isAskedFor(entry.owner, filter.owner) &&
    isAskedFor(entry.code, filter.code) &&
    isAskedFor(entry.event, filter.event) &&
    isAskedFor(entry.route, filter.route) &&
    isAskedFor(entry.requestId, filter.requestId)
  )
}

function isAskedFor(value: string | null, wanted: string | undefined): boolean {
  return wanted === undefined || value === wanted
}
