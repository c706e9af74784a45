import { bufferOf, walkEntries } from '../../../../ledger/format/block.ts'
import { chainHashBytes } from '../../../../ledger/format/chain.ts'
import { nameOf } from '../../../../ledger/query/usage.ts'
import { addEntry, createUsageCounts } from '../../../../ledger/query/usage-counts.ts'
import { type UsageEntry, UsageEntryReader } from '../../../../ledger/query/usage-entry.ts'
import { readValue, type SqliteDatabase } from '../../database.ts'
import { inTransaction } from '../../transaction.ts'
import { emptyUsage, type Filled, readFilled, writeFilled } from './usage-database.ts'
import { createUsageWriter, type UsageGroupCounts, type UsageWidth, usageWidths } from './usage-table.ts'

/**
 * What is summed up in memory before it is written: some ten megabytes. The fewer groups at once,
 * the more often the same rows are written.
 */
const groupsAtOnce = 8_192
const blocksAtOnce = 1_024

interface StoredBlock {
  readonly id: number
  readonly body: Uint8Array
}

/**
 * Sums up the next blocks of a ledger. Their usage and the position behind them are written in one
 * transaction, so that each record counts once whatever ends the process. Several processes may do
 * so at once: the first counts, and the others write nothing.
 *
 * @returns whether there may be more
 */
export function fillUsage(usage: SqliteDatabase, ledger: SqliteDatabase): boolean {
  const from = readFilled(usage)
  if (!isOf(ledger, from)) {
    emptyUsage(usage)
    return true
  }
  const { filled, groups, buckets } = sumUp(ledger, from)
  if (filled === from) return false
  inTransaction(usage, () => {
    if (readFilled(usage).block !== from.block) return
    const write = createUsageWriter(usage)
    for (const group of groups.values()) write(group)
    putBuckets(usage, buckets)
    writeFilled(usage, filled)
  })
  return true
}

/** Whether a roll-up with this position is of the ledger. */
export function isOf(ledger: SqliteDatabase, { block, hash }: Filled): boolean {
  if (block === 0) return true
  const body = ledger.prepare<{ body: Uint8Array }>('SELECT body FROM block WHERE id = ?').get(block)?.body
  if (body !== undefined) return hashOf(body).equals(hash)
  // Retention drops what is summed up, from the front, and never the newest block.
  return block < oldestBlock(ledger)
}

/** The first block that the ledger has; 1 for none. */
export function oldestBlock(ledger: SqliteDatabase): number {
  return Number(readValue(ledger, 'SELECT min(id) FROM block') ?? 1)
}

/** The chain hash of a block's last record. */
function hashOf(body: Uint8Array): Buffer {
  return bufferOf(body).subarray(-chainHashBytes)
}

const reader = new UsageEntryReader()

/**
 * Calls `use` for each entry of a request. Behind an entry that is damaged the block's others do
 * not count: `ledger verify` names it, and usage of all others stays readable.
 */
export function forUsageEntries(bytes: Uint8Array, use: (entry: UsageEntry) => void): void {
  const body = bufferOf(bytes)
  try {
    walkEntries(body, (start, end) => {
      const entry = reader.read(body, start, end)
      if (entry !== undefined) use(entry)
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}

/** An hour or a day, and the blocks with its records. */
interface Bucket {
  readonly width: UsageWidth
  readonly at: number
  readonly first: number
  last: number
}

interface SummedBlocks {
  readonly groups: Map<string, UsageGroupCounts>
  readonly buckets: Map<string, Bucket>
  readonly filled: Filled
}

function sumUp(ledger: SqliteDatabase, from: Filled): SummedBlocks {
  const next = ledger.prepare<StoredBlock>('SELECT id, body FROM block WHERE id > ? ORDER BY id LIMIT 1')
  const groups: SummedBlocks['groups'] = new Map()
  const buckets: SummedBlocks['buckets'] = new Map()
  let filled = from
  for (let blocks = 0; blocks < blocksAtOnce && groups.size < groupsAtOnce; blocks += 1) {
    const block = next.get(filled.block)
    if (block === undefined) break
    filled = { block: block.id, hash: hashOf(block.body) }
    forUsageEntries(block.body, (entry) => {
      for (const width of usageWidths) {
        addEntry(groupOf(groups, width, entry).counts, entry)
        noteBlock(buckets, width, entry.at, block.id)
      }
    })
  }
  return { groups, buckets, filled }
}

function groupOf(
  groups: SummedBlocks['groups'],
  width: UsageWidth,
  { at, keyId, owner, route, model }: UsageEntry,
): UsageGroupCounts {
  const bucket = at - (at % width)
  const name = nameOf(`${width} ${bucket}`, keyId, owner, route, model)
  let group = groups.get(name)
  if (group === undefined) {
    group = { width, subject: { at: bucket, keyId, owner, route, model }, counts: createUsageCounts() }
    groups.set(name, group)
  }
  return group
}

function noteBlock(buckets: SummedBlocks['buckets'], width: UsageWidth, time: number, block: number): void {
  const at = time - (time % width)
  const name = `${width} ${at}`
  const bucket = buckets.get(name)
  if (bucket === undefined) buckets.set(name, { width, at, first: block, last: block })
  else bucket.last = block
}

function putBuckets(usage: SqliteDatabase, buckets: SummedBlocks['buckets']): void {
  const put = usage.prepare(
    `INSERT INTO bucket VALUES (?, ?, ?, ?)
     ON CONFLICT (width, bucket) DO UPDATE SET last_block = max(last_block, excluded.last_block)`,
  )
  for (const { width, at, first, last } of buckets.values()) put.run(width, at, first, last)
}
