import type { EntryView, ViewedText } from '../format/entry-view.ts'
import { ledgerEvents } from '../format/event.ts'
import type { LedgerRecord } from '../format/record.ts'
import type { LedgerFilter, LedgerPage, LedgerQuery } from '../ledger.ts'

/** A filter, prepared for many entries that are not decoded. */
export interface Matcher {
  /** Whether a block's body may hold a match: false if a text of the filter is nowhere in it. */
  readonly mayHold: (body: Buffer) => boolean
  /** Whether the viewed entry meets every condition of the filter. */
  readonly isMatch: (entry: EntryView) => boolean
}

const texts: readonly ViewedText[] = ['keyId', 'code', 'requestId', 'owner', 'route']

export function createMatcher(filter: LedgerFilter): Matcher {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = filter
  const event = filter.event === undefined ? undefined : ledgerEvents[filter.event]
  const events = filter.events && new Set<number>(filter.events.map((name) => ledgerEvents[name]))
  const wanted = texts.flatMap((text) => {
    const value = filter[text]
    return value === undefined ? [] : [{ text, bytes: Buffer.from(value) }]
  })
  return {
    mayHold: (body) => wanted.every(({ bytes }) => body.includes(bytes)),
    isMatch: (entry) =>
      entry.at >= since &&
      entry.at < until &&
      (event === undefined || entry.event === event) &&
      (events === undefined || events.has(entry.event)) &&
      wanted.every(({ text, bytes }) => entry.isText(text, bytes)),
  }
}

/**
 * The page of a query.
 *
 * @param found matches in the query's order: one more than its limit if there is a next page
 */
export function ledgerPageOf(found: readonly LedgerRecord[], query: LedgerQuery): LedgerPage {
  const records = found.slice(0, query.limit)
  const last = records.at(-1)?.position
  // A reader that follows the ledger needs a place to go on from even if nothing was found.
  if (query.order === 'oldest') return { records, next: last ?? query.after }
  return { records, next: found.length > query.limit ? last : undefined }
}
