import { ledgerEvents } from '../../../ledger/format/event.ts'
import type { SqliteDatabase } from '../database.ts'
import type { BlockTable } from './block-table.ts'

/** What a writer that opens a ledger says of the others. */
export interface LedgerWitness {
  /** The last records of the newest streams, each `stream:seq:hash`: a stream that is removed later is missed. */
  readonly before: readonly string[]
  /** Those of them without an end: their process was killed, or it is still running. */
  readonly unclosed: readonly string[]
}

/** So many that they fit into a record's detail. */
const streamsMax = 8

/** Looks at the newest streams of a file. */
export function witnessOf(database: SqliteDatabase, blocks: BlockTable): LedgerWitness {
  const streams = database
    .prepare<{ number: number; id: string }>('SELECT number, id FROM stream ORDER BY number DESC LIMIT ?')
    .all(streamsMax)
  const before: string[] = []
  const unclosed: string[] = []
  for (const { number, id } of streams) {
    const head = blocks.findHead(number)
    // All of it is behind the retention.
    if (head === undefined) continue
    before.push(`${id}:${head.seq}:${Buffer.from(head.link).toString('hex')}`)
    // The event is an entry's second byte.
    if (head.lastEntry[1] !== ledgerEvents['ledger.closed']) unclosed.push(id)
  }
  return { before, unclosed }
}
