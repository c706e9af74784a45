import {
  createSegmentPostings,
  decodeIds,
  encodeIds,
  type Segment,
  type SegmentPostings,
  segmentBlocks,
  segmentOf,
} from '../../../ledger/segment-postings.ts'
import type { SqliteDatabase } from '../../database.ts'
import { inTransaction } from '../../transaction.ts'

/** Rows written at once: commits wait meanwhile. */
const rowsAtOnce = 512
/** A pause after each: SQLite waits for a lock by polling, and would find it taken every time. */
const pauseMs = 2
const pauses = new Int32Array(new SharedArrayBuffer(4))

/**
 * Indexes the next segment, if it is full.
 *
 * Rows behind `indexed` do not count yet, so that they can be written a few at a time. Several
 * processes may do so at once: the first to finish wins, and the others write nothing that counts.
 *
 * @returns whether there was one
 */
export function fillIndex(database: SqliteDatabase): boolean {
  const from = indexedUntil(database)
  const segment = nextSegment(database, from)
  if (segment === undefined) return false
  const { until } = segment
  const rows = [...postingsOf(database, segment)]
  // In the order of the table, which is appended to.
  rows.sort(([one], [other]) => (one < other ? -1 : 1))
  for (let at = 0; at < rows.length; at += rowsAtOnce) {
    const some = rows.slice(at, at + rowsAtOnce)
    whileNext(database, from, () => putRows(database, until, some))
    Atomics.wait(pauses, 0, 0, pauseMs)
  }
  whileNext(database, from, () => finishSegment(database, from, until, rows.length))
  return true
}

/** Does the work in one transaction, unless another process has finished a segment meanwhile. */
function whileNext(database: SqliteDatabase, from: number, work: () => void): void {
  inTransaction(database, () => {
    if (indexedUntil(database) === from) work()
  })
}

function putRows(
  database: SqliteDatabase,
  until: number,
  rows: readonly (readonly [string, readonly number[]])[],
): void {
  const put = database.prepare('INSERT OR REPLACE INTO posting (until, term, blocks) VALUES (?, ?, ?)')
  for (const [term, ids] of rows) put.run(until, term, encodeIds(ids))
}

function finishSegment(database: SqliteDatabase, from: number, until: number, rows: number): void {
  // Rows of a segment that ended elsewhere, before retention dropped blocks of it, would count now.
  database.prepare('DELETE FROM posting WHERE until > ? AND until <> ?').run(from, until)
  const count = database.prepare<{ rows: number }>('SELECT count(*) AS rows FROM posting WHERE until = ?')
  if (count.get(until)?.rows === rows) database.prepare('UPDATE indexed SET block = ?').run(until)
  // Another process changed rows for a segment that began elsewhere. The next turn begins anew.
  else database.prepare('DELETE FROM posting WHERE until > ?').run(from)
}

/** The last block that the index covers. */
export function indexedUntil(database: SqliteDatabase): number {
  return database.prepare<{ block: number }>('SELECT block FROM indexed').get()?.block ?? 0
}

function nextSegment(database: SqliteDatabase, from: number): Segment<BlockCount> | undefined {
  return segmentOf(
    database
      .prepare<BlockCount>('SELECT id, count FROM block WHERE id > ? ORDER BY id LIMIT ?')
      .all(from, segmentBlocks),
  )
}

interface BlockCount {
  readonly id: number
  readonly count: number
}

/** The ids of a segment's blocks by term. */
function postingsOf(database: SqliteDatabase, segment: Segment<BlockCount>): SegmentPostings['byTerm'] {
  const select = database.prepare<{ body: Uint8Array }>('SELECT body FROM block WHERE id = ?')
  const postings = createSegmentPostings()
  for (const { id } of segment.blocks) {
    const found = select.get(id)
    if (found !== undefined) postings.add(id, found.body)
  }
  return postings.byTerm
}

/** Finds blocks by a term. */
export interface Postings {
  /** Ids of blocks up to `until` with the term, in the given order; some may be gone by now. */
  readonly find: (term: string, until: number, order: 'newest' | 'oldest') => Iterable<number>
}

export function createPostings(database: SqliteDatabase): Postings {
  const nextUntil = database.prepare<{ until: number | null }>(
    'SELECT min(until) AS until FROM posting WHERE until > ?',
  )
  const ids = database.prepare<{ blocks: Uint8Array }>(
    'SELECT blocks FROM posting WHERE until = ? AND term = ?',
  )
  // Ends of indexed segments do not change; retention drops segments, which is harmless here.
  const ends: number[] = []

  function learnEnds(until: number): void {
    for (;;) {
      const next = nextUntil.get(ends.at(-1) ?? 0)?.until
      if (next === null || next === undefined || next > until) return
      ends.push(next)
    }
  }

  return {
    *find(term, until, order) {
      learnEnds(until)
      const inOrder = order === 'oldest' ? [...ends] : ends.toReversed()
      for (const end of inOrder) {
        const found = end > until ? undefined : ids.get(end, term)
        if (found === undefined) continue
        const blocks = decodeIds(found.blocks)
        yield* order === 'oldest' ? blocks : blocks.reverse()
      }
    },
  }
}
