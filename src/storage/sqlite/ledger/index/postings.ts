import { walkEntries } from '../../../../ledger/format/block.ts'
import { EntrySkim } from '../../../../ledger/format/entry-view.ts'
import type { SqliteDatabase } from '../../database.ts'
import { inTransaction } from '../../transaction.ts'
import { bufferOf, decodeIds, encodeIds } from './block-ids.ts'

/** What blocks are found by. */
export const indexedTexts = { key: 'keyId', owner: 'owner', code: 'code', route: 'route' } as const

const prefixes = Object.entries(indexedTexts).map(([name, text]) => [`${name}:`, text] as const)

/** A span is full with so many records or blocks: what is behind the last span is read through by every query. */
const spanRecords = 16_384
const spanBlocks = 4_096
/** Most rows of one span: each record has so many texts, and the last block may go beyond by less than as many records as fill one. */
export const spanRowsMax: number = 2 * spanRecords * prefixes.length
/** Rows written at once: commits wait meanwhile. */
const rowsAtOnce = 512
/** And a pause after each: SQLite waits for a lock by sleeping and trying again, and would find it taken again and again. */
const pauseMs = 2
const pauses = new Int32Array(new SharedArrayBuffer(4))

interface Span {
  /** Its last block. */
  readonly until: number
  readonly blocks: readonly { readonly id: number }[]
}

/**
 * Fills the index with the next span, if it is full.
 *
 * Rows behind `indexed` do not count yet, so that they can be written a few at a time. Several processes may do so at once: whoever comes
 * first is right, and the others write nothing that would count from then on.
 *
 * @returns whether there was one
 */
export function fillIndex(database: SqliteDatabase): boolean {
  const from = indexedUntil(database)
  const span = nextSpan(database, from)
  if (span === undefined) return false
  const { until } = span
  const rows = [...termsOf(database, span)]
  // In the order of the table, which is appended to.
  rows.sort(([one], [other]) => (one < other ? -1 : 1))
  for (let at = 0; at < rows.length; at += rowsAtOnce) {
    const some = rows.slice(at, at + rowsAtOnce)
    whileNext(database, from, () => putRows(database, until, some))
    Atomics.wait(pauses, 0, 0, pauseMs)
  }
  whileNext(database, from, () => finishSpan(database, from, until, rows.length))
  return true
}

/** Does the work in one transaction, unless another process has finished a span meanwhile. */
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

function finishSpan(database: SqliteDatabase, from: number, until: number, rows: number): void {
  // Of a span that ended elsewhere: retention took some of its blocks since. They would count from now on.
  database.prepare('DELETE FROM posting WHERE until > ? AND until <> ?').run(from, until)
  const count = database.prepare<{ rows: number }>('SELECT count(*) AS rows FROM posting WHERE until = ?')
  if (count.get(until)?.rows === rows) database.prepare('UPDATE indexed SET block = ?').run(until)
  // Others wrote rows, or took them away, for a span that began elsewhere. The next turn begins anew.
  else database.prepare('DELETE FROM posting WHERE until > ?').run(from)
}

/** The last block that the index knows. */
export function indexedUntil(database: SqliteDatabase): number {
  return database.prepare<{ block: number }>('SELECT block FROM indexed').get()?.block ?? 0
}

function nextSpan(database: SqliteDatabase, from: number): Span | undefined {
  const found = database
    .prepare<{ id: number; count: number }>('SELECT id, count FROM block WHERE id > ? ORDER BY id LIMIT ?')
    .all(from, spanBlocks)
  let records = 0
  for (const [index, { id, count }] of found.entries()) {
    records += count
    if (records >= spanRecords || index + 1 === spanBlocks)
      return { until: id, blocks: found.slice(0, index + 1) }
  }
  return undefined
}

function termsOf(database: SqliteDatabase, span: Span): Map<string, number[]> {
  const bodyOf = database.prepare<{ body: Uint8Array }>('SELECT body FROM block WHERE id = ?')
  const terms = new Map<string, number[]>()
  const skim = new EntrySkim()
  for (const { id } of span.blocks) {
    const found = bodyOf.get(id)
    if (found === undefined) continue
    const body = bufferOf(found.body)
    walkEntries(body, (start) => {
      skim.read(body, start)
      for (const [prefix, text] of prefixes) {
        const value = skim.text(text)
        if (value !== null) addId(terms, prefix + value, id)
      }
    })
  }
  return terms
}

function addId(terms: Map<string, number[]>, term: string, id: number): void {
  const ids = terms.get(term)
  if (ids === undefined) terms.set(term, [id])
  else if (ids.at(-1) !== id) ids.push(id)
}

/** Finds blocks by a term. */
export interface Postings {
  /** Ids of blocks that hold the term, up to `until`, in the order asked for; some may be gone meanwhile. */
  readonly find: (term: string, until: number, order: 'newest' | 'oldest') => Iterable<number>
}

export function createPostings(database: SqliteDatabase): Postings {
  const nextUntil = database.prepare<{ until: number | null }>(
    'SELECT min(until) AS until FROM posting WHERE until > ?',
  )
  const ids = database.prepare<{ blocks: Uint8Array }>(
    'SELECT blocks FROM posting WHERE until = ? AND term = ?',
  )
  // Where a span that is indexed ends does not change; retention takes some away, which is harmless.
  const spans: number[] = []

  function learnSpans(until: number): void {
    for (;;) {
      const next = nextUntil.get(spans.at(-1) ?? 0)?.until
      if (next === null || next === undefined || next > until) return
      spans.push(next)
    }
  }

  return {
    *find(term, until, order) {
      learnSpans(until)
      const inOrder = order === 'oldest' ? [...spans] : spans.toReversed()
      for (const span of inOrder) {
        const found = ids.get(span, term)
        if (found === undefined || span > until) continue
        const blocks = decodeIds(found.blocks)
        yield* order === 'oldest' ? blocks : blocks.reverse()
      }
    },
  }
}
