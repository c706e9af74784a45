import { encodeEntry } from '../../src/ledger/format/encoding.ts'
import type { SqliteDatabase } from '../../src/storage/sqlite/database.ts'
import { fillIndex } from '../../src/storage/sqlite/ledger/index/postings.ts'
import { openLedgerDatabase } from '../../src/storage/sqlite/ledger/ledger-database.ts'
import { encodeBlock, firstHash, nextHash } from '../../test/support/ledger-blocks.ts'
import { recordOf } from './record-of.ts'

/** What a commit gathers at 64 connections. */
export const recordsOfBlock = 64

/**
 * Writes a ledger as a server does, but in one commit: one stream, and the index up to the last
 * span that is full.
 */
export function writeLedger(file: string, records: number, keys: number): void {
  const database = openLedgerDatabase({ file, busyTimeoutMs: 1_000 })
  try {
    writeBlocks(database, records, keys)
    while (fillIndex(database));
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } finally {
    database.close()
  }
}

function writeBlocks(database: SqliteDatabase, records: number, keys: number): void {
  const stream = 'ab'.repeat(16)
  database.prepare('INSERT INTO stream VALUES (1, ?, 0)').run(stream)
  const insert = database.prepare('INSERT INTO block VALUES (NULL, 1, ?, ?, ?, ?, ?)')
  let chainHash = firstHash(stream)
  database.exec('BEGIN')
  for (let before = 0; before < records; before += recordsOfBlock) {
    const entries = Array.from({ length: Math.min(recordsOfBlock, records - before) }, (_, index) =>
      recordOf(before + index, keys),
    )
    const body = encodeBlock(
      entries.map((record, index) => {
        const entry = encodeEntry(record)
        chainHash = nextHash(chainHash, before + index + 1, entry)
        return { entry, chainHash }
      }),
    )
    const times = entries.map(({ at }) => at)
    insert.run(before + 1, entries.length, Math.min(...times), Math.max(...times), body)
  }
  database.exec('COMMIT')
}
