import type { UsageQuery, UsageRow } from '../../../ledger/ledger.ts'
import { createUsageSum, type UsageSum } from '../../../ledger/query/usage.ts'
import { addCounts } from '../../../ledger/query/usage-counts.ts'
import { forUsageEntries } from '../../ledger/usage-entries.ts'
import { groupsMax, UsageGroups } from '../../ledger/usage-groups.ts'
import type { Postgres } from '../postgres.ts'
import { findBlocks } from './block-pages.ts'

/** Sums up usage from the records. Memory grows with the rows and not with the records. */
export async function sumUsage(
  postgres: Pick<Postgres, 'query' | 'schema'>,
  query: UsageQuery,
): Promise<readonly UsageRow[]> {
  const sum = createUsageSum(query)
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY, keyId, owner } = query
  let groups = new UsageGroups()
  const range = { order: 'oldest', first: 1, last: Number.MAX_SAFE_INTEGER } as const
  for await (const { id, body } of findBlocks(postgres, query, range)) {
    forUsageEntries(body, (entry) => {
      const isInSpan = entry.at >= since && entry.at < until
      const isOfAsked = (keyId ?? entry.keyId) === entry.keyId && (owner ?? entry.owner) === entry.owner
      if (isInSpan && isOfAsked) groups.add(entry, id)
    })
    if (groups.all.length < groupsMax) continue
    addGroups(groups, sum)
    groups = new UsageGroups()
  }
  addGroups(groups, sum)
  return sum.rows()
}

function addGroups({ all }: UsageGroups, sum: UsageSum): void {
  for (const { subject, counts } of all) addCounts(sum.countsOf(subject), counts)
}
