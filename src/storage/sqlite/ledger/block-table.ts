import { bufferOf, lastFrameOf } from '../../../ledger/format/block.ts'
import { readChainHash } from '../../../ledger/format/chain.ts'
import { createStreamDraft, type StreamDraft, type StreamHead } from '../../ledger/block-draft.ts'
import type { SqliteDatabase } from '../database.ts'
import { createChangeNote } from './latest-change.ts'

/** The table of blocks, for a writer. */
export interface BlockTable {
  /** Adds behind a head, within a transaction of the caller's. */
  readonly begin: (stream: number, head: StreamHead) => StreamDraft
  /** The head in the file, and its event's number; undefined for a stream without records. */
  readonly findHead: (stream: number) => (StreamHead & { readonly lastEvent: number }) | undefined
}

export function createBlockTable(database: SqliteDatabase): BlockTable {
  const noteChange = createChangeNote(database)
  const insert = database.prepare(
    'INSERT INTO block (stream, first_seq, count, min_at, max_at, body) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const newest = database.prepare<{ first_seq: number; count: number; body: Uint8Array }>(
    'SELECT first_seq, count, body FROM block WHERE stream = ? ORDER BY id DESC LIMIT 1',
  )
  return {
    begin: (stream, from) =>
      createStreamDraft(
        from,
        (firstSeq, count, minAt, maxAt, body) => insert.run(stream, firstSeq, count, minAt, maxAt, body),
        noteChange,
      ),
    findHead(stream) {
      const found = newest.get(stream)
      if (found === undefined) return undefined
      const body = bufferOf(found.body)
      const { start, end } = lastFrameOf(body)
      return {
        seq: found.first_seq + found.count - 1,
        chainHash: readChainHash(body, end),
        lastEvent: body[start + 1] ?? 0,
      }
    },
  }
}
