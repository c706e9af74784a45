import type { UsageGroup, UsageQuery } from '../../../../ledger/ledger.ts'
import type { UsageSubject, UsageSum } from '../../../../ledger/query/usage.ts'
import { addCounts } from '../../../../ledger/query/usage-counts.ts'
import { addCells, type CountCells, cellsOf, usageWidths } from '../../../ledger/usage-cells.ts'
import { UsageGroups, type UsageHour } from '../../../ledger/usage-groups.ts'
import type { HeldUsage } from './fill-usage.ts'
import type { Filled } from './usage-database.ts'

const [hourMs] = usageWidths

/** What one thread holds and has not written, as far as a query asks, for the thread that reads. */
export interface HeldRows {
  /** Up to where usage was written when it was held. */
  readonly from: Filled
  /** Up to where it counts. */
  readonly filled: Filled
  readonly hours: ReadonlyMap<number, UsageHour>
  /** `at` is when an hour begins. */
  readonly rows: readonly { readonly subject: UsageSubject; readonly cells: CountCells }[]
}

/** Gives what is held of the hours that a query's span touches. */
export function heldRowsOf({ from, filled, groups }: HeldUsage, query: UsageQuery): HeldRows {
  const { since = 0, until = Number.POSITIVE_INFINITY, keyId, owner } = query
  const isBy = (group: UsageGroup): boolean => query.by.includes(group)
  const [isByKey, isByOwner, isByRoute, isByModel] = [
    isBy('key'),
    isBy('owner'),
    isBy('route'),
    isBy('model'),
  ]
  const asked = new UsageGroups()
  for (const { subject, counts } of groups.all) {
    const { at } = subject
    if (at + hourMs <= since || at >= until) continue
    if ((keyId ?? subject.keyId) !== subject.keyId || (owner ?? subject.owner) !== subject.owner) continue
    const group = asked.find({
      at,
      keyId: isByKey ? subject.keyId : null,
      owner: isByOwner ? subject.owner : null,
      route: isByRoute ? subject.route : null,
      model: isByModel ? subject.model : null,
    })
    addCounts(group.counts, counts)
  }
  const rows = asked.all.map(({ subject, counts }) => ({ subject, cells: cellsOf(counts) }))
  return { from, filled, hours: groups.hours, rows }
}

/** Adds the rows of whole hours. */
export function addHeld(
  { rows }: HeldRows,
  { since, until }: { readonly since: number; readonly until: number },
  sum: UsageSum,
): void {
  for (const { subject, cells } of rows)
    if (subject.at >= since && subject.at < until) addCells(sum.countsOf(subject), cells)
}
