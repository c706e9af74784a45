import { bufferOf, walkEntries } from '../../../../ledger/format/block.ts'
import { chainHashBytes } from '../../../../ledger/format/chain.ts'
import { type UsageEntry, UsageEntryReader } from '../../../../ledger/query/usage-entry.ts'
import { readValue, type SqliteDatabase } from '../../database.ts'
import { inTransaction } from '../../transaction.ts'
import { emptyUsage, type Filled, readFilled, writeFilled } from './usage-database.ts'
import { UsageGroups } from './usage-groups.ts'
import { createUsageWriter, usageWidths } from './usage-table.ts'

/**
 * What is summed up in memory before it is written: some ten megabytes. The fewer at once, the more
 * often the same rows are written.
 */
export const groupsAtOnce = 8_192
const recordsAtOnce = 131_072
/** Most per statement: each has a cost of its own, and a long one keeps blocks in memory. */
const blocksAtOnce = 64

type StoredBlock = readonly [id: number, count: number, body: Uint8Array]

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
  const { filled, groups } = sumUp(ledger, from)
  if (filled === from) return false
  inTransaction(usage, () => {
    if (readFilled(usage).block !== from.block) return
    const write = createUsageWriter(usage)
    for (const group of groups.all) write(group)
    putBuckets(usage, groups.hours)
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

interface SummedBlocks {
  readonly groups: UsageGroups
  readonly filled: Filled
}

function sumUp(ledger: SqliteDatabase, from: Filled): SummedBlocks {
  const next = ledger.prepareCells<StoredBlock>(
    `SELECT id, count, body FROM block WHERE id > ? ORDER BY id LIMIT ${blocksAtOnce}`,
  )
  const groups = new UsageGroups()
  let [last, lastBody]: [number, Uint8Array | undefined] = [from.block, undefined]
  const add = (entry: UsageEntry): void => groups.add(entry, last)
  for (let records = 0; records < recordsAtOnce && groups.all.length < groupsAtOnce; ) {
    const blocks = next.all(last)
    if (blocks.length === 0) break
    for (const [id, count, body] of blocks) {
      last = id
      lastBody = body
      records += count
      forUsageEntries(body, add)
    }
  }
  return { groups, filled: lastBody === undefined ? from : { block: last, hash: hashOf(lastBody) } }
}

function putBuckets(usage: SqliteDatabase, hours: UsageGroups['hours']): void {
  const put = usage.prepare(
    `INSERT INTO bucket VALUES (?, ?, ?, ?)
     ON CONFLICT (width, bucket) DO UPDATE SET last_block = max(last_block, excluded.last_block)`,
  )
  for (const { at, first, last } of hours.values())
    for (const width of usageWidths) put.run(width, at - (at % width), first, last)
}
