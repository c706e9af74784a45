import { formatChainHash } from '../../../ledger/format/chain.ts'
import { ledgerEvents } from '../../../ledger/format/event.ts'
import type { SqliteDatabase } from '../database.ts'
import type { BlockTable } from './block-table.ts'

/** What a writer that opens a ledger states about the streams before its own. */
export interface PriorHeads {
  /** The heads of the newest streams, each `stream:seq:hash`: a stream removed later is missed. */
  readonly before: readonly string[]
  /** Those of them without an end: their process was killed, or still runs. */
  readonly unclosed: readonly string[]
}

/** As many as fit into a record's detail. */
const streamsMax = 8

/** The heads of the newest streams of a file. */
export function priorHeadsOf(database: SqliteDatabase, blocks: BlockTable): PriorHeads {
  const streams = database
    .prepare<{ number: number; id: string }>('SELECT number, id FROM stream ORDER BY number DESC LIMIT ?')
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
