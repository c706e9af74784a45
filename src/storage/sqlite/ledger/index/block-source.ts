import type { LedgerFilter, LedgerQuery } from '../../../../ledger/ledger.ts'
import type { FoundBlock } from '../../../ledger/match-records.ts'
import { termOf } from '../../../ledger/segment-postings.ts'
import type { SqliteDatabase } from '../../database.ts'
import { createPostings, indexedUntil } from './postings.ts'

/** Finds the blocks that may have matches of a filter. */
export interface BlockSource {
  /**
   * @param from the first block to look at, in the order; undefined: where the order begins
   * @param until the last one; undefined: where the order ends
   */
  readonly find: (
    filter: LedgerFilter,
    order: LedgerQuery['order'],
    from: number | undefined,
    until?: number,
  ) => Iterable<FoundBlock>
}

/** Most per statement: a long one would keep the write-ahead log from being copied. */
const blocksAtOnce = 32

type Step = (after: number, filter: LedgerFilter) => FoundBlock[]

export function createBlockSource(database: SqliteDatabase): BlockSource {
  const postings = createPostings(database)
  const one = database.prepare<FoundBlock>(`${select} WHERE block.id = ? AND max_at >= ? AND min_at < ?`)
  const newest = database.prepare<{ id: number | null }>('SELECT max(id) AS id FROM block')
  const steps = { oldest: stepOf(database, 'oldest'), newest: stepOf(database, 'newest') }

  function* scan(
    filter: LedgerFilter,
    order: LedgerQuery['order'],
    first: number,
    last: number,
  ): Iterable<FoundBlock> {
    let after = order === 'oldest' ? first - 1 : last + 1
    for (;;) {
      const found = steps[order](after, filter)
      for (const block of found) {
        if (block.id < first || block.id > last) return
        yield block
      }
      const next = found.at(-1)?.id
      if (next === undefined) return
      after = next
    }
  }

  function* look(
    filter: LedgerFilter,
    ids: Iterable<number>,
    first: number,
    last: number,
  ): Iterable<FoundBlock> {
    for (const id of ids) {
      const block = id < first || id > last ? undefined : one.get(id, ...timesOf(filter))
      if (block !== undefined) yield block
    }
  }

  return {
    *find(filter, order, from, until) {
      const end = newest.get()?.id ?? 0
      const [first, last] =
        order === 'oldest'
          ? [from ?? 1, Math.min(until ?? end, end)]
          : [until ?? 1, Math.min(from ?? end, end)]
      const term = termOf(filter)
      if (term === undefined) return yield* scan(filter, order, first, last)
      const border = indexedUntil(database)
      const indexed = first > border ? [] : look(filter, postings.find(term, border, order), first, last)
      const rest = scan(filter, order, Math.max(first, border + 1), last)
      if (order === 'newest') yield* rest
      yield* indexed
      if (order === 'oldest') yield* rest
    },
  }
}

const select = `
  SELECT block.id AS id, stream.id AS stream, first_seq AS firstSeq, body
  FROM block JOIN stream ON stream.number = block.stream`

function stepOf(database: SqliteDatabase, order: LedgerQuery['order']): Step {
  const [isBehind, direction] = order === 'oldest' ? ['>', 'ASC'] : ['<', 'DESC']
  const statement = database.prepare<FoundBlock>(`
    ${select} WHERE block.id ${isBehind} ? AND max_at >= ? AND min_at < ? ORDER BY block.id ${direction} LIMIT ${blocksAtOnce}
  `)
  return (after, filter) => statement.all(after, ...timesOf(filter))
}

function timesOf({ since, until }: LedgerFilter): [number, number] {
  return [since ?? 0, until ?? Number.MAX_SAFE_INTEGER]
}
