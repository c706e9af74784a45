import type { EntrySkim, SkimmedText } from '../../../../ledger/format/entry-view.ts'
import { ledgerEvents } from '../../../../ledger/format/event.ts'
import type { LedgerFilter } from '../../../../ledger/ledger.ts'

/** Tells what a filter wants, of entries that are not decoded. */
export interface Matcher {
  /** Whether a block's body may hold an entry that is wanted: false where a text that all of them bear is nowhere in it. */
  readonly mayHold: (body: Buffer) => boolean
  /** Whether the entry that is being looked at is wanted: what `isMatch` says of one that is decoded. */
  readonly isMatch: (skim: EntrySkim) => boolean
}

const texts: readonly SkimmedText[] = ['keyId', 'code', 'requestId', 'owner', 'route']

/** Prepares a filter for many entries. */
export function createMatcher(filter: LedgerFilter): Matcher {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = filter
  const event = filter.event === undefined ? undefined : ledgerEvents[filter.event]
  const wanted = texts.flatMap((text) => {
    const value = filter[text]
    return value === undefined ? [] : [{ text, bytes: Buffer.from(value) }]
  })
  return {
    mayHold: (body) => wanted.every(({ bytes }) => body.includes(bytes)),
    isMatch: (skim) =>
      skim.at >= since &&
      skim.at < until &&
      (event === undefined || skim.event === event) &&
      wanted.every(({ text, bytes }) => skim.isText(text, bytes)),
  }
}
