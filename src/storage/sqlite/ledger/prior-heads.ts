import { formatChainHash } from '../../../ledger/format/chain.ts'
import type { PriorHeads } from '../../../ledger/format/checkpoint.ts'
import { ledgerEvents } from '../../../ledger/format/event.ts'
import type { SqliteDatabase } from '../database.ts'
import type { BlockTable } from './block-table.ts'

/** As many as fit into a record's detail. */
const streamsMax = 8

/**
 * The heads of the streams that were written last. Not of those that were opened last: each command
 * has a stream, and a server's would be out of sight after eight of them.
 */
export function priorHeadsOf(database: SqliteDatabase, blocks: BlockTable): PriorHeads {
  // A seek for each stream: some 10 ms for 10,000 of them.
  const streams = database
    .prepare<{ number: number; id: string }>(
      `SELECT number, id, (SELECT max(block.id) FROM block WHERE block.stream = stream.number) AS last
        FROM stream ORDER BY last DESC LIMIT ?`,
    )
    .all(streamsMax)
  const before: string[] = []
  const unclosed: string[] = []
  for (const { number, id } of streams) {
    const head = blocks.findHead(number)
    // Retention dropped all of it.
    if (head === undefined) continue
    before.push(`${id}:${head.seq}:${formatChainHash(head.chainHash)}`)
    if (head.lastEvent !== ledgerEvents['ledger.closed']) unclosed.push(id)
  }
  return { before, unclosed }
}
