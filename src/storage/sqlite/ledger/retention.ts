import type { KeyObject } from 'node:crypto'
import { bufferOf } from '../../../ledger/format/block.ts'
import { chainHashBytes } from '../../../ledger/format/chain.ts'
import { signTruncationPoint } from '../../../ledger/format/checkpoint.ts'
import { readValue, type SqliteDatabase } from '../database.ts'
import { giveBackPages } from '../give-back-pages.ts'
import { inTransaction } from '../transaction.ts'
import type { LedgerRetention, Maintained } from './threads.ts'

export interface DropOptions {
  readonly database: SqliteDatabase
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly retention: LedgerRetention
  readonly signingKey: KeyObject
  /** The last block whose records usage counts, durably: those behind it stay. */
  readonly counted: () => number
  /** When to leave the rest for the next time, by `performance.now()`. */
  readonly deadline: number
}

/** Most per transaction: commits wait meanwhile. */
const blocksAtOnce = 64
const postingsAtOnce = 512

interface OldBlock {
  readonly id: number
  readonly stream: number
  readonly streamId: string
  readonly first_seq: number
  readonly count: number
  readonly max_at: number
}

/**
 * Drops the oldest blocks beyond the retention, and frees their space. The newest block stays, and
 * so does what usage does not count yet.
 */
export function dropOldest(options: DropOptions): Maintained['dropped'] {
  const { database, retention, deadline } = options
  if (retention.ageMs === undefined && retention.bytes === undefined) return undefined
  const counted = findOld(options).length === 0 ? 0 : options.counted()
  let records = 0
  let until = 0
  try {
    while (performance.now() < deadline) {
      // Before the transaction: commits need not wait if there is nothing to drop.
      if (findOld(options, counted).length === 0) break
      const blocks = inTransaction(database, () => {
        // Once more: another process may have dropped them meanwhile.
        const old = findOld(options, counted)
        drop(options, old)
        return old
      })
      if (blocks.length === 0) break
      for (const { count } of blocks) records += count
      until = blocks.at(-1)?.id ?? until
      giveBack(database, deadline)
    }
    giveBack(database, deadline)
  } catch (error) {
    // What has been dropped must be recorded. An error that lasts is reported in the next turn.
    if (until === 0) throw error
  }
  return until === 0 ? undefined : { records, until }
}

function findOld(
  { database, retention, now }: DropOptions,
  counted: number = Number.MAX_SAFE_INTEGER,
): OldBlock[] {
  const oldest = database
    .prepare<OldBlock>(
      `SELECT block.id AS id, stream, stream.id AS streamId, first_seq, count, max_at
       FROM block JOIN stream ON stream.number = block.stream
       WHERE block.id < (SELECT max(id) FROM block) AND block.id <= ? ORDER BY block.id LIMIT ${blocksAtOnce}`,
    )
    .all(counted)
  const { ageMs = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY } = retention
  if (usedBytes(database) > bytes) return oldest
  const timeOf = createBlockTimes(database, now)
  // Only from the front, even if a clock has jumped: a stream is truncated at one place.
  const stays = oldest.findIndex((block) => timeOf(block) >= now - ageMs)
  return stays === -1 ? oldest : oldest.slice(0, stays)
}

/**
 * When a block was written, at the latest. A block with a future time, from a clock that had jumped
 * ahead, counts as the next without one: else it would stop retention until that time.
 */
function createBlockTimes(database: SqliteDatabase, now: number): (block: OldBlock) => number {
  const next = database.prepare<{ id: number; max_at: number }>(
    'SELECT id, max_at FROM block WHERE id > ? AND max_at <= ? ORDER BY id LIMIT 1',
  )
  let found: { readonly id: number; readonly max_at: number } | undefined
  return ({ id, max_at }) => {
    if (max_at <= now) return max_at
    if (found === undefined || found.id < id)
      found = next.get(id, now) ?? { id: Number.POSITIVE_INFINITY, max_at }
    return found.max_at
  }
}

function usedBytes(database: SqliteDatabase): number {
  const value = (name: string): number => Number(readValue(database, `PRAGMA ${name}`))
  return (value('page_count') - value('freelist_count')) * value('page_size')
}

function drop({ database, now, signingKey }: DropOptions, blocks: readonly OldBlock[]): void {
  const bodyOf = database.prepare<{ body: Uint8Array }>('SELECT body FROM block WHERE id = ?')
  const put = database.prepare('INSERT OR REPLACE INTO base (stream, checkpoint) VALUES (?, ?)')
  const lasts = new Map(blocks.map((block) => [block.stream, block]))
  for (const { id, stream, streamId, first_seq, count } of lasts.values()) {
    const body = bodyOf.get(id)?.body
    if (body === undefined) throw new Error(`ledger: block ${id} is gone`)
    const hash = bufferOf(body).toString('hex', body.length - chainHashBytes)
    const stated = { stream: streamId, seq: first_seq + count - 1, hash, at: now }
    put.run(stream, JSON.stringify(signTruncationPoint(stated, signingKey)))
  }
  database.prepare('DELETE FROM block WHERE id <= ?').run(blocks.at(-1)?.id ?? 0)
}

/**
 * Deletes postings of segments that are gone as a whole; then frees pages at the end of the file.
 */
function giveBack(database: SqliteDatabase, deadline: number): void {
  const gone = database.prepare(`
    DELETE FROM posting WHERE (until, term) IN (
      SELECT until, term FROM posting WHERE until < (SELECT min(id) FROM block) LIMIT ${postingsAtOnce}
    )`)
  while (performance.now() < deadline && Number(gone.run().changes) > 0);
  giveBackPages(database, 0, deadline)
}
