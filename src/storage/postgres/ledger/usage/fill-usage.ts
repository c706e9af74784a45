import { type UsageWidth, usageWidths } from '../../../ledger/usage-cells.ts'
import { forUsageEntries } from '../../../ledger/usage-entries.ts'
import { groupsMax, UsageGroups } from '../../../ledger/usage-groups.ts'
import type { Postgres, Query } from '../../postgres.ts'
import { findBlocks } from '../block-pages.ts'
import { tryTurn } from '../try-turn.ts'
import { createNameBounds } from './usage-names.ts'
import { createUsageWriter } from './usage-writer.ts'

/** From so many records on they are summed up: a query reads as many itself. */
const recordsLeast = 32_768
/** And from so many blocks on, of few records each. */
const blocksLeast = 4_096
/** Most that are summed up in one transaction. */
const recordsMost = 65_536
/** Seconds after which what there is is summed up, however little it is. */
const waitingSeconds = 60

/**
 * Sums up the next records, and writes their sums with the position up to which they count, unless
 * another node does so now. The fewer at once, the more often the same rows are written.
 *
 * @param settled the last block with nothing to come before it
 * @param isDue whether little is enough
 * @returns whether there was something
 */
export async function fillUsage(postgres: Postgres, settled: number, isDue: boolean): Promise<boolean> {
  const { schema } = postgres
  if (!(await isWorthIt(postgres.query, schema, settled, isDue))) return false
  return postgres.transaction(async (query) => {
    if (!(await tryTurn(query, schema, 'usage'))) return false
    // Once more: another node may have done it meanwhile.
    if (!(await isWorthIt(query, schema, settled, isDue))) return false
    const filled = await readFilled(query, schema)
    const groups = new UsageGroups()
    let records = 0
    let last = filled
    for await (const { id, body } of findBlocks(
      { query, schema },
      {},
      { order: 'oldest', first: filled + 1, last: settled },
    )) {
      forUsageEntries(body, (entry) => {
        groups.add(entry, id)
        records += 1
      })
      last = id
      if (records >= recordsMost || groups.all.length >= groupsMax) break
    }
    await writeGroups(query, schema, groups)
    // Up to the end: the blocks behind may be of no stream, which no query reads.
    await query(`UPDATE ${schema}.usage_filled SET block = $1, filled_at = clock_timestamp()`, [last])
    return last > filled
  })
}

/** The last block that is summed up. */
export async function readFilled(query: Query, schema: string): Promise<number> {
  const [found] = await query<{ block: number }>(`SELECT block FROM ${schema}.usage_filled`)
  return found?.block ?? 0
}

async function isWorthIt(query: Query, schema: string, settled: number, isDue: boolean): Promise<boolean> {
  const [behind] = await query<{ blocks: number; records: number; waited: number }>(
    `SELECT count(*) AS blocks, coalesce(sum(count), 0)::bigint AS records,
       extract(epoch FROM clock_timestamp() - (SELECT filled_at FROM ${schema}.usage_filled))::bigint AS waited
     FROM (
       SELECT count FROM ${schema}.block WHERE id > (SELECT block FROM ${schema}.usage_filled) AND id <= $1
       ORDER BY id LIMIT ${blocksLeast}
     ) AS behind`,
    [settled],
  )
  const { blocks, records, waited } = behind ?? { blocks: 0, records: 0, waited: 0 }
  if (records >= recordsLeast || blocks >= blocksLeast) return true
  return blocks > 0 && (isDue || waited >= waitingSeconds)
}

async function writeGroups(query: Query, schema: string, { all, hours }: UsageGroups): Promise<void> {
  const names = await createNameBounds(query, schema)
  const bounded = all.map(({ subject, counts }) => ({
    subject: { ...subject, route: names.route(subject.route), model: names.model(subject.model) },
    counts,
  }))
  await names.finish()
  for (const width of usageWidths) {
    const writer = createUsageWriter(query, schema, width)
    await writer.write(bounded)
    await putBuckets(query, schema, width, [...hours.values()])
  }
}

async function putBuckets(
  query: Query,
  schema: string,
  width: UsageWidth,
  hours: readonly { readonly at: number; readonly first: number; readonly last: number }[],
): Promise<void> {
  const buckets = new Map<number, { first: number; last: number }>()
  for (const { at, first, last } of hours) {
    const bucket = at - (at % width)
    const found = buckets.get(bucket)
    buckets.set(bucket, {
      first: Math.min(first, found?.first ?? first),
      last: Math.max(last, found?.last ?? last),
    })
  }
  await query(
    `INSERT INTO ${schema}.usage_bucket AS b SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[])
     ON CONFLICT (width, bucket) DO UPDATE SET last_block = greatest(b.last_block, excluded.last_block)`,
    [
      width,
      [...buckets.keys()],
      [...buckets.values()].map(({ first }) => first),
      [...buckets.values()].map(({ last }) => last),
    ],
  )
}
