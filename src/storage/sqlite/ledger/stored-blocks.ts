import { existsSync } from 'node:fs'
import type { LedgerBlock } from '../../../ledger/format/block.ts'
import type { StoredTruncationPoint } from '../../../ledger/verify/truncation-point.ts'
import type { LedgerIndexCheck } from '../../../ledger/verify/verify-ledger.ts'
import { createIndexCheck } from './index/check-index.ts'
import { readLatestChange } from './latest-change.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'

/** The ledger's file as it is written, for verification. */
export interface LedgerBlocks {
  /** Every block in the order of ids, new ones included. Few are in memory at a time. */
  readonly blocks: () => Iterable<LedgerBlock>
  /** The truncation point of each stream whose beginning was dropped. Not checked here. */
  readonly truncationPoints: () => readonly StoredTruncationPoint[]
  /** Every stream in the order of opening; `openedAt` in milliseconds since the epoch. */
  readonly streams: () => readonly LedgerStream[]
  /** Begins a check of the index, for blocks from the first on. */
  readonly checkIndex: () => LedgerIndexCheck
  /**
   * The latest change of keys that the file keeps beside its records; 0 for none, undefined if it
   * is not what was written.
   */
  readonly latestChange: () => number | undefined
  readonly close: () => void
}

export interface LedgerStream {
  /** 32 hex digits. */
  readonly id: string
  readonly openedAt: number
}

const blocksAtOnce = 64

/**
 * Opens a ledger's file, or a copy of one, without writing to it.
 *
 * @throws SetupError `data_missing`, `data_corrupt`, `data_newer`, `data_unreadable`, `data_locked`
 */
export function openLedgerBlocks(file: string): LedgerBlocks {
  // A ledger with a writer has a log. A copy without one may lie where nothing can be written.
  const database = openLedgerDatabaseToRead(file, !existsSync(`${file}-wal`))
  // A left join: a block whose stream is not known is shown, not hidden.
  const some = database.prepare<LedgerBlock>(`
    SELECT block.id AS id, coalesce(stream.id, '') AS stream, first_seq AS firstSeq, count, min_at AS minAt, max_at AS maxAt, body
    FROM block LEFT JOIN stream ON stream.number = block.stream WHERE block.id > ? ORDER BY block.id LIMIT ${blocksAtOnce}
  `)
  return {
    *blocks() {
      let last = Number.MIN_SAFE_INTEGER
      for (let found = some.all(last); found.length > 0; found = some.all(last)) {
        yield* found
        last = found.at(-1)?.id ?? last
      }
    },
    truncationPoints: () =>
      database
        .prepare<StoredTruncationPoint>(`
          SELECT coalesce(stream.id, '') AS stream, checkpoint AS text
          FROM base LEFT JOIN stream ON stream.number = base.stream ORDER BY base.stream
        `)
        .all(),
    streams: () =>
      database.prepare<LedgerStream>('SELECT id, opened_at AS openedAt FROM stream ORDER BY number').all(),
    checkIndex: () => createIndexCheck(database),
    latestChange: () => readLatestChange(database),
    close: () => database.close(),
  }
}
