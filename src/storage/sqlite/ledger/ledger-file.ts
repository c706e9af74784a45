import { randomBytes } from 'node:crypto'
import { firstChainHash } from '../../../ledger/format/chain.ts'
import type { SqliteDatabase } from '../database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { type WatchedFiles, watchFiles } from '../watched-files.ts'
import { type BlockTable, createBlockTable, type StreamDraft, type StreamHead } from './block-table.ts'
import { openLedgerDatabase } from './ledger-database.ts'

/** A ledger's file, open for a writer. */
export interface LedgerFile {
  readonly database: SqliteDatabase
  readonly blocks: BlockTable
  readonly files: WatchedFiles
  /** Begins a stream, within a transaction of the caller's. */
  readonly begin: (now: number) => NewStream
}

export interface NewStream {
  /** 32 hex digits. */
  readonly id: string
  readonly number: number
  readonly draft: StreamDraft
}

const busyTimeoutMs = 1_000

/** @throws SetupError as `openLedgerDatabase` */
export function openLedgerFile(file: string): LedgerFile {
  const database = openLedgerDatabase({ file, busyTimeoutMs })
  try {
    const blocks = createBlockTable(database)
    const insert = database.prepare<{ number: number }>(
      'INSERT INTO stream (id, opened_at) VALUES (?, ?) RETURNING number',
    )
    return {
      database,
      blocks,
      files: watchFiles(file, database),
      begin(now) {
        const id = randomBytes(16).toString('hex')
        const number = insert.get(id, now)?.number ?? 0
        return { id, number, draft: blocks.begin(number, emptyHead(id)) }
      },
    }
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

/** Where a stream begins. */
export function emptyHead(stream: string): StreamHead {
  return { seq: 0, chainHash: firstChainHash(stream) }
}

/** Calls `add` for each of the entries that a `write` carries. */
export function addEntries(entries: Uint8Array, add: (entry: Uint8Array) => void): void {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
  for (let at = 0; at < entries.length; ) {
    const end = at + 4 + view.getUint32(at, true)
    add(entries.subarray(at + 4, end))
    at = end
  }
}
