import { comparePositions, formatPosition, readPosition } from '../../ledger/format/position.ts'
import type { LedgerRecord } from '../../ledger/format/record.ts'
import type { LedgerFilter, LedgerReader } from '../../ledger/ledger.ts'

/** How many records are in memory at once. */
const pageSize = 1_000

/**
 * All records that are there when it begins, in the order they were written, a page at a time.
 * Those that are written meanwhile are not among them: on a busy server the end would never come.
 */
export async function* readLedger(
  ledger: LedgerReader,
  filter: LedgerFilter,
): AsyncGenerator<readonly LedgerRecord[]> {
  const newest = await ledger.query({ ...filter, limit: 1, order: 'newest' })
  const [last] = newest.records.map(({ position }) => readPosition(position))
  if (last === undefined) return
  for await (const records of readAfter(ledger, filter, undefined)) {
    // The last itself may be dropped by retention before it is come to.
    const old = records.filter(({ position }) => comparePositions(readPosition(position), last) <= 0)
    if (old.length > 0) yield old
    if (old.length < records.length || records.at(-1)?.position === formatPosition(last)) return
  }
}

export interface FollowOptions {
  readonly ledger: LedgerReader
  readonly filter: LedgerFilter
  /** How many records to begin with, the last that are there; 0 to 1,000. */
  readonly lines: number
  /** Resolves when it is time to look again: true to go on, false to end. */
  readonly wait: () => Promise<boolean>
}

/** The last records, in the order they were written, and then new ones as they come. */
export async function* followLedger(options: FollowOptions): AsyncGenerator<readonly LedgerRecord[]> {
  const { ledger, filter, lines, wait } = options
  // Before the records are read: where none of them fits, none up to here does.
  const newest = await newestPosition(ledger)
  const shown = lines === 0 ? [] : await readLast(ledger, filter, lines)
  yield shown
  let after = shown.at(-1)?.position ?? newest
  while (await wait()) {
    // All up to here has been looked at when the pages end, so that the next look need not begin at
    // a match long ago.
    const seen = await newestPosition(ledger)
    let last: string | undefined
    for await (const records of readAfter(ledger, filter, after)) {
      last = records.at(-1)?.position
      yield records
    }
    after = last ?? seen ?? after
  }
}

async function readLast(
  ledger: LedgerReader,
  filter: LedgerFilter,
  lines: number,
): Promise<readonly LedgerRecord[]> {
  const { records } = await ledger.query({ ...filter, limit: lines, order: 'newest' })
  return records.toReversed()
}

async function newestPosition(ledger: LedgerReader): Promise<string | undefined> {
  return (await ledger.query({ limit: 1, order: 'newest' })).records[0]?.position
}

async function* readAfter(
  ledger: LedgerReader,
  filter: LedgerFilter,
  start: string | undefined,
): AsyncGenerator<readonly LedgerRecord[]> {
  for (let after = start; ; ) {
    const { records, next } = await ledger.query({
      ...filter,
      limit: pageSize,
      order: 'oldest',
      after,
    })
    if (records.length === 0) return
    yield records
    if (next === undefined) return
    after = next
  }
}
