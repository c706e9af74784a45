import type { LedgerFilter, LedgerQuery } from '../../../ledger/ledger.ts'
import type { FoundBlock } from '../../ledger/match-records.ts'
import { decodeIds, termOf } from '../../ledger/segment-postings.ts'
import type { Postgres } from '../postgres.ts'

/** Rows that one statement looks at: without their bodies they are small. */
const blocksAtOnce = 512
/** Bytes of bodies that one statement gives, but for the last: at first few, for a query of few. */
const bytesLeast = 65_536
const bytesMax = 262_144
const segmentsAtOnce = 16

type Direction = LedgerQuery['order']

/** Where to look for blocks. */
export interface BlockRange {
  readonly order: Direction
  /** Both included. */
  readonly first: number
  readonly last: number
}

interface Header {
  readonly id: number
  readonly bytes: number
  readonly fits: boolean
}

type Reads = Pick<Postgres, 'query' | 'schema'>

/**
 * The blocks that may have matches of a filter, in order, a few at a time. What a piece costs is
 * bounded, and between two of them other work of the process has its turn.
 */
export async function* findBlocks(
  reads: Reads,
  filter: LedgerFilter,
  { order, first, last }: BlockRange,
): AsyncGenerator<FoundBlock, void, undefined> {
  const bytes = { most: bytesLeast }
  const scan = (from: number, to: number) =>
    withBodies(reads, scanHeaders(reads, filter, { order, first: from, last: to }), order, bytes)
  const term = termOf(filter)
  if (term === undefined) {
    yield* scan(first, last)
    return
  }
  const border = await indexedUntil(reads)
  const look = withBodies(
    reads,
    lookHeaders(reads, filter, term, { order, first, last: Math.min(last, border) }),
    order,
    bytes,
  )
  if (order === 'oldest') yield* look
  yield* scan(Math.max(first, border + 1), last)
  if (order === 'newest') yield* look
}

/** The last block that the index covers; 0 for none. */
export async function indexedUntil({ query, schema }: Reads): Promise<number> {
  const [found] = await query<{ until: number | null }>(`SELECT max(until) AS until FROM ${schema}.indexed`)
  return found?.until ?? 0
}

/** All blocks of a range, by pages. */
async function* scanHeaders(
  { query, schema }: Reads,
  { since, until }: LedgerFilter,
  { order, first, last }: BlockRange,
): AsyncGenerator<readonly Header[], void, undefined> {
  const text = `SELECT id, octet_length(body) AS bytes, max_at >= $3 AND min_at < $4 AS fits FROM ${schema}.block
    WHERE id >= $1 AND id <= $2 ORDER BY id ${order === 'oldest' ? 'ASC' : 'DESC'} LIMIT ${blocksAtOnce}`
  for (let [from, to] = [first, last]; from <= to; ) {
    const page = await query<Header>(text, [from, to, since ?? 0, until ?? Number.MAX_SAFE_INTEGER])
    yield page
    const end = page.at(-1)?.id
    if (end === undefined || page.length < blocksAtOnce) return
    if (order === 'oldest') from = end + 1
    else to = end - 1
  }
}

/** The blocks of a range that have a term, by pages. */
async function* lookHeaders(
  reads: Reads,
  { since, until }: LedgerFilter,
  term: string,
  range: BlockRange,
): AsyncGenerator<readonly Header[], void, undefined> {
  const { query, schema } = reads
  const direction = range.order === 'oldest' ? 'ASC' : 'DESC'
  const text = `SELECT id, octet_length(body) AS bytes, true AS fits FROM ${schema}.block
    WHERE id = ANY($1::bigint[]) AND max_at >= $2 AND min_at < $3 ORDER BY id ${direction}`
  for await (const ids of postedIds(reads, term, range))
    for (let at = 0; at < ids.length; at += blocksAtOnce) {
      const some = ids.slice(at, at + blocksAtOnce)
      yield await query<Header>(text, [some, since ?? 0, until ?? Number.MAX_SAFE_INTEGER])
    }
}

/** Ids of blocks with a term, in order, by segments; some blocks may be gone by now. */
async function* postedIds(
  { query, schema }: Reads,
  term: string,
  { order, first, last }: BlockRange,
): AsyncGenerator<readonly number[], void, undefined> {
  const isForward = order === 'oldest'
  // The segments first, and a row of each: a row is found by both columns alone.
  const text = `SELECT i.until, p.blocks FROM (
      SELECT until FROM ${schema}.indexed WHERE until ${isForward ? '>=' : '<'} $1
      ORDER BY until ${isForward ? 'ASC' : 'DESC'} LIMIT ${segmentsAtOnce}
    ) i LEFT JOIN LATERAL (SELECT blocks FROM ${schema}.posting WHERE until = i.until AND term = $2 OFFSET 0) p ON true
    ORDER BY i.until ${isForward ? 'ASC' : 'DESC'}`
  const encoded = Buffer.from(term)
  // Backward, the segment that holds the last block ends behind it.
  let from = isForward ? first : Number.MAX_SAFE_INTEGER
  for (;;) {
    const rows = await query<{ until: number; blocks: Buffer | null }>(text, [from, encoded])
    for (const { until, blocks } of rows) {
      if (until < first) return
      const ids = blocks === null ? [] : decodeIds(blocks).filter((id) => id >= first && id <= last)
      if (ids.length > 0) yield isForward ? ids : ids.reverse()
    }
    const end = rows.at(-1)?.until
    if (end === undefined || rows.length < segmentsAtOnce || (isForward && end >= last)) return
    from = isForward ? end + 1 : end
  }
}

async function* withBodies(
  reads: Reads,
  pages: AsyncIterable<readonly Header[]>,
  order: Direction,
  bytes: { most: number },
): AsyncGenerator<FoundBlock, void, undefined> {
  for await (const page of pages) {
    const fitting = page.filter(({ fits }) => fits)
    for (let at = 0; at < fitting.length; ) {
      let size = 0
      const from = at
      while (at < fitting.length && size < bytes.most) size += fitting[at++]?.bytes ?? 0
      bytes.most = Math.min(2 * bytes.most, bytesMax)
      yield* await readBodies(
        reads,
        fitting.slice(from, at).map(({ id }) => id),
        order,
      )
    }
  }
}

/** Those that are still there. */
async function readBodies(
  { query, schema }: Reads,
  ids: readonly number[],
  order: Direction,
): Promise<readonly FoundBlock[]> {
  return query<FoundBlock>(
    `SELECT block.id, stream.id AS stream, first_seq AS "firstSeq", body
     FROM ${schema}.block JOIN ${schema}.stream ON stream.number = block.stream
     WHERE block.id = ANY($1::bigint[]) ORDER BY block.id ${order === 'oldest' ? 'ASC' : 'DESC'}`,
    [ids],
  )
}
