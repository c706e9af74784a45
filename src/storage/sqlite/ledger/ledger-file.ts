import { randomBytes } from 'node:crypto'
import { emptyHead, type StreamDraft } from '../../ledger/block-draft.ts'
import type { SqliteDatabase } from '../database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { type WatchedFiles, watchFiles } from '../watched-files.ts'
import { type BlockTable, createBlockTable } from './block-table.ts'
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
