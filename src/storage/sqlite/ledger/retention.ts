import type { KeyObject } from 'node:crypto'
import { bufferOf } from '../../../ledger/format/block.ts'
import { chainHashBytes } from '../../../ledger/format/chain.ts'
import { signTruncationPoint } from '../../../ledger/format/checkpoint.ts'
import { readValue, type SqliteDatabase } from '../database.ts'
import { inTransaction } from '../transaction.ts'
import type { LedgerRetention, Maintained } from './threads.ts'

export interface DropOptions {
  readonly database: SqliteDatabase
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly retention: LedgerRetention
  readonly signingKey: KeyObject
  /** When to leave the rest for the next time, by `performance.now()`. */
  readonly deadline: number
}

/** Dropped in one transaction, and pages given back in one: commits wait meanwhile. */
const blocksAtOnce = 64
const postingsAtOnce = 512
const pagesAtOnce = 256

interface OldBlock {
  readonly id: number
  readonly stream: number
  readonly streamId: string
  readonly first_seq: number
  readonly count: number
  readonly max_at: number
}

/** Drops the oldest blocks that are behind the retention, and gives their space back. The newest block always stays. */
export function dropOldest(options: DropOptions): Maintained['dropped'] {
  const { database, retention, deadline } = options
  if (retention.ageMs === undefined && retention.bytes === undefined) return undefined
  let records = 0
  let until = 0
  try {
    while (performance.now() < deadline) {
      // Commits need not wait where there is nothing to drop.
      if (findOld(options).length === 0) break
      const blocks = inTransaction(database, () => {
        // Once more: another process may have dropped them meanwhile.
        const old = findOld(options)
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
    // What is gone is told first. What stood in the way does so the next time too, or no more.
    if (until === 0) throw error
  }
  return until === 0 ? undefined : { records, until }
}

function findOld({ database, retention, now }: DropOptions): OldBlock[] {
  const oldest = database
    .prepare<OldBlock>(
      `SELECT block.id AS id, stream, stream.id AS streamId, first_seq, count, max_at
       FROM block JOIN stream ON stream.number = block.stream
       WHERE block.id < (SELECT max(id) FROM block) ORDER BY block.id LIMIT ${blocksAtOnce}`,
    )
    .all()
  const { ageMs = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY } = retention
  if (usedBytes(database) > bytes) return oldest
  const timeOf = createBlockTimes(database, now)
  // Only what is at the front goes, whatever a clock said that jumped: a stream is cut off at one place.
  const stays = oldest.findIndex((block) => timeOf(block) >= now - ageMs)
  return stays === -1 ? oldest : oldest.slice(0, stays)
}

/**
 * When a block was written, at the latest. One that says a time to come, from a clock that had leapt ahead, was there before the next that
 * does not: it would hold up all behind it until that time.
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

/** Postings of spans that are gone as a whole; then pages at the end of the file. */
function giveBack(database: SqliteDatabase, deadline: number): void {
  const gone = database.prepare(`
    DELETE FROM posting WHERE (until, term) IN (
      SELECT until, term FROM posting WHERE until < (SELECT min(id) FROM block) LIMIT ${postingsAtOnce}
    )`)
  while (performance.now() < deadline && Number(gone.run().changes) > 0);
  while (performance.now() < deadline && Number(readValue(database, 'PRAGMA freelist_count')) > 0)
    database.exec(`PRAGMA incremental_vacuum(${pagesAtOnce})`)
}
