import type { LedgerBlock } from '../../../../ledger/format/block.ts'
import { formatPosition } from '../../../../ledger/format/position.ts'
import { timeMax } from '../../../../ledger/query/record-view.ts'
import {
  addCounts,
  addEntry,
  createUsageCounts,
  type UsageCounts,
} from '../../../../ledger/query/usage-counts.ts'
import type { LedgerFinding } from '../../../../ledger/verify/finding.ts'
import { differenceOf } from '../../../ledger/compare-counts.ts'
import { cellsOf, type UsageWidth, usageWidths } from '../../../ledger/usage-cells.ts'
import { forUsageEntries } from '../../../ledger/usage-entries.ts'
import type { Query } from '../../postgres.ts'
import { addStoredRows } from './usage-rows.ts'

const [hourMs, dayMs] = usageWidths

/** Compares the sums of usage with the records, in the snapshot that verification reads. */
export interface UsageCheck {
  /** Sums up a block once more. In the order of ids. */
  readonly add: (block: LedgerBlock) => void
  /** Compares the hours and days that end with a block; without one, those that are left. */
  readonly compare: (reached?: number) => Promise<void>
  readonly finding: () => LedgerFinding | undefined
  /** What to know to interpret it; one sentence each. */
  readonly notes: () => readonly string[]
}

interface Bucket {
  readonly width: UsageWidth
  readonly bucket: number
  readonly first: number
  readonly last: number
}

/**
 * Keys are summed up in so many classes, which are drawn anew for each check: memory has a bound,
 * and what is moved from one key to another is found but for one time in as many.
 */
const classesCount = 1_024

type Classes = Map<number, UsageCounts>

/**
 * Compares hour by hour and day by day, each once its last block is summed up.
 *
 * @param isWhole whether records that are not here were dropped, and are not still to come
 */
export async function createUsageCheck(query: Query, schema: string, isWhole: boolean): Promise<UsageCheck> {
  const { filled, oldest, newest } = await readPlaces(query, schema)
  const classOf = createClasses()
  const hours = new Map<number, Classes>()
  const days = new Map<number, Classes>()
  let found: LedgerFinding | undefined
  let compared = Number.MIN_SAFE_INTEGER
  let partial = 0

  function tell(difference: string, { bucket, width, first }: Omit<Bucket, 'last'>): void {
    const when = new Date(Math.min(bucket, timeMax)).toISOString()
    const what = width === hourMs ? `the hour from ${when}` : `the day from ${when}`
    found ??= usageChanged(`of ${what} ${difference}`, first)
  }

  async function compareBucket(bucket: Bucket): Promise<void> {
    const { width, bucket: at, first } = bucket
    const own = width === hourMs ? hours : days
    const recomputed = own.get(at) ?? new Map()
    own.delete(at)
    if (width === hourMs) addClasses(days, at - (at % dayMs), recomputed)
    if (first < oldest) {
      partial += 1
      return
    }
    const stored: Classes = new Map()
    const countsOf = ({ keyId }: { readonly keyId: string | null }) => countsIn(stored, classOf(keyId))
    await addStoredRows({ query, schema }, width, { by: [], since: at, until: at + 1 }, { countsOf })
    for (const name of new Set([...stored.keys(), ...recomputed.keys()])) {
      const one = cellsOf(stored.get(name) ?? createUsageCounts())
      const difference = differenceOf(one, cellsOf(recomputed.get(name) ?? createUsageCounts()), false)
      if (difference !== undefined) tell(difference, bucket)
    }
  }

  return {
    add({ id, body }) {
      if (id > filled) return
      forUsageEntries(body, (entry) => {
        const at = entry.at - (entry.at % hourMs)
        addEntry(countsIn(classesIn(hours, at), classOf(entry.keyId)), entry)
      })
    },
    async compare(reached = Number.MAX_SAFE_INTEGER) {
      if (found !== undefined) return
      // Hours first: a day is what its hours are.
      const ended = await query<Bucket>(
        `SELECT width, bucket, first_block::float8 AS first, last_block::float8 AS last FROM ${schema}.usage_bucket
         WHERE last_block > $1 AND last_block <= $2 ORDER BY width, bucket`,
        [compared, reached],
      )
      compared = reached
      for (const bucket of ended) await compareBucket(bucket)
      if (reached < Number.MAX_SAFE_INTEGER) return
      const [left] = hours.keys()
      if (left !== undefined) tell('no sums are stored', { width: hourMs, bucket: left, first: 1 })
      if (filled > newest)
        found ??= usageChanged(`they claim to go up to block ${filled}, and the last is ${newest}`, 1)
      if (await hasRowsAlone(query, schema))
        found ??= usageChanged('rows are stored, and not which blocks they are of', 1)
    },
    finding: () => found,
    notes: () =>
      partial === 0
        ? []
        : [
            `Sums of usage of ${partial} ${partial === 1 ? 'hour or day' : 'hours and days'} were not compared: records of them ${isWhole ? 'were dropped by retention' : 'are still to come'}.`,
          ],
  }
}

function usageChanged(message: string, block: number): LedgerFinding {
  const position = formatPosition({ block, index: 0 })
  return {
    kind: 'usage_changed',
    stream: '',
    seq: 1,
    position,
    message: `the sums of usage were changed: ${message}`,
  }
}

function classesIn(buckets: Map<number, Classes>, at: number): Classes {
  const classes = buckets.get(at) ?? new Map<number, UsageCounts>()
  buckets.set(at, classes)
  return classes
}

function countsIn(classes: Classes, name: number): UsageCounts {
  const counts = classes.get(name) ?? createUsageCounts()
  classes.set(name, counts)
  return counts
}

function addClasses(buckets: Map<number, Classes>, at: number, added: Classes): void {
  const classes = classesIn(buckets, at)
  for (const [name, counts] of added) addCounts(countsIn(classes, name), counts)
}

/** FNV-1a, from a beginning that no one knew before. */
function createClasses(): (keyId: string | null) => number {
  const seed = Math.floor(Math.random() * 2 ** 32)
  return (keyId) => {
    let hash = seed
    for (let at = 0; at < (keyId?.length ?? 0); at += 1)
      hash = Math.imul(hash ^ (keyId?.charCodeAt(at) ?? 0), 0x01000193)
    return ((hash ^ (hash >>> 15)) >>> 0) % classesCount
  }
}

async function readPlaces(
  query: Query,
  schema: string,
): Promise<{ readonly filled: number; readonly oldest: number; readonly newest: number }> {
  const [found] = await query<{ filled: number; oldest: number; newest: number }>(
    `SELECT block::float8 AS filled, coalesce((SELECT min(id) FROM ${schema}.block), 1)::float8 AS oldest,
       coalesce((SELECT max(id) FROM ${schema}.block), 0)::float8 AS newest FROM ${schema}.usage_filled`,
  )
  return found ?? { filled: 0, oldest: 1, newest: 0 }
}

async function hasRowsAlone(query: Query, schema: string): Promise<boolean> {
  const alone = await query(
    `SELECT 1 FROM (SELECT DISTINCT width, bucket FROM ${schema}.usage) u
     WHERE NOT EXISTS (SELECT 1 FROM ${schema}.usage_bucket b WHERE b.width = u.width AND b.bucket = u.bucket) LIMIT 1`,
  )
  return alone.length > 0
}
