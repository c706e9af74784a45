import { bufferOf } from '../../../../ledger/format/block.ts'
import { chainHashBytes } from '../../../../ledger/format/chain.ts'
import { usageWidths } from '../../../ledger/usage-cells.ts'
import { forUsageEntries } from '../../../ledger/usage-entries.ts'
import { groupsMax, UsageGroups } from '../../../ledger/usage-groups.ts'
import { readValue, type SqliteDatabase } from '../../database.ts'
import { inTransaction } from '../../transaction.ts'
import { emptyUsage, type Filled, readFilled, writeFilled } from './usage-database.ts'
import { createUsageWriter } from './usage-table.ts'

/**
 * Most that is held in memory, but for the blocks read last: some thirty megabytes. The fewer at
 * once, the more often the same rows are written; but a reader of another process reads as many
 * records itself.
 */
export const recordsMax = 131_072
/** Most per statement: each has a cost of its own, and a long one keeps blocks in memory. */
const blocksAtOnce = 64

/** Usage of consecutive blocks that is summed up, and not written yet. */
export interface HeldUsage {
  /** Up to where usage was written. */
  readonly from: Filled
  /** Up to where it is summed up. */
  filled: Filled
  records: number
  readonly groups: UsageGroups
}

type StoredBlock = readonly [id: number, count: number, body: Uint8Array]

/**
 * Sums up the next blocks of a ledger, and writes their usage.
 *
 * @returns whether there may be more
 */
export function fillUsage(usage: SqliteDatabase, ledger: SqliteDatabase): boolean {
  const held = beginUsage(usage, ledger)
  while (!isFull(held) && addBlocks(held, ledger));
  if (held.records === 0) return false
  writeUsage(usage, held)
  return true
}

/** Holds nothing yet, of the blocks behind those whose usage is written. */
export function beginUsage(usage: SqliteDatabase, ledger: SqliteDatabase): HeldUsage {
  if (!isOf(ledger, readFilled(usage))) emptyUsage(usage)
  const from = readFilled(usage)
  return { from, filled: from, records: 0, groups: new UsageGroups() }
}

export function isFull({ records, groups }: HeldUsage): boolean {
  return records >= recordsMax || groups.all.length >= groupsMax
}

/** Sums up the next few blocks, up to one that is the last; false without one. */
export function addBlocks(
  held: HeldUsage,
  ledger: SqliteDatabase,
  until: number = Number.MAX_SAFE_INTEGER,
): boolean {
  const { groups } = held
  const next = ledger.prepareCells<StoredBlock>(
    `SELECT id, count, body FROM block WHERE id > ? AND id <= ? ORDER BY id LIMIT ${blocksAtOnce}`,
  )
  const blocks = next.all(held.filled.block, until)
  for (const [id, count, body] of blocks) {
    forUsageEntries(body, (entry) => groups.add(entry, id))
    held.records += count
  }
  const last = blocks.at(-1)
  if (last === undefined) return false
  // A copy: else the block would be held for it.
  held.filled = { block: last[0], hash: Uint8Array.from(hashOf(last[2])) }
  return true
}

/**
 * Writes what is held and the position up to which it counts in one transaction, so that each
 * record counts once whatever ends the process. Several processes may do so at once: the first
 * counts, and the others write nothing.
 */
export function writeUsage(usage: SqliteDatabase, { from, filled, groups }: HeldUsage): void {
  inTransaction(usage, () => {
    if (readFilled(usage).block !== from.block) return
    const write = createUsageWriter(usage)
    for (const group of groups.all) write(group)
    putBuckets(usage, groups.hours)
    writeFilled(usage, filled)
  })
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

function putBuckets(usage: SqliteDatabase, hours: UsageGroups['hours']): void {
  const put = usage.prepare(
    `INSERT INTO bucket VALUES (?, ?, ?, ?)
     ON CONFLICT (width, bucket) DO UPDATE SET last_block = max(last_block, excluded.last_block)`,
  )
  for (const { at, first, last } of hours.values())
    for (const width of usageWidths) put.run(width, at - (at % width), first, last)
}
