import {
  createSegmentPostings,
  encodeIds,
  segmentBlocks,
  segmentOf,
  segmentRecords,
} from '../../ledger/segment-postings.ts'
import type { Postgres, Query } from '../postgres.ts'
import { indexedUntil } from './block-pages.ts'
import { bytesIn, writeBytesList } from './bytes-list.ts'
import { tryTurn } from './try-turn.ts'

/** Rows that one statement writes. */
const rowsAtOnce = 2_048
/** Bytes of bodies that one statement gives, but for the last. */
const bytesAtOnce = 262_144

interface BlockSize {
  readonly id: number
  readonly count: number
  readonly bytes: number
}

/**
 * Indexes the next segment, if it is full and no other node does so now. All of it is one
 * transaction: rows of a segment that is not finished are never seen.
 *
 * @param settled the last block with nothing to come before it
 * @returns whether there was one
 */
export async function fillIndex(postgres: Postgres, settled: number): Promise<boolean> {
  const { schema } = postgres
  // First without a transaction: most turns have nothing to do.
  if (!(await hasSegment(postgres.query, schema, settled))) return false
  return postgres.transaction(async (query) => {
    if (!(await tryTurn(query, schema, 'index'))) return false
    const segment = await nextSegment(query, schema, settled)
    if (segment === undefined) return false
    const postings = createSegmentPostings()
    const { blocks, until } = segment
    for (let at = 0; at < blocks.length; ) {
      const ids: number[] = []
      for (let size = 0; at < blocks.length && size < bytesAtOnce; at += 1) {
        ids.push(blocks[at]?.id ?? 0)
        size += blocks[at]?.bytes ?? 0
      }
      for (const { id, body } of await readSome(query, schema, ids)) addPostings(postings, id, body)
    }
    await putRows(query, schema, until, [...postings.byTerm])
    await query(`INSERT INTO ${schema}.indexed (until) VALUES ($1)`, [until])
    return true
  })
}

/**
 * The same question for the server alone, which gives one row. While a history arrives there is
 * none: its blocks come below those that are here.
 */
async function hasSegment(query: Query, schema: string, settled: number): Promise<boolean> {
  const [found] = await query<{ blocks: number; records: number }>(
    `SELECT count(*) AS blocks, coalesce(sum(count), 0)::bigint AS records FROM (
       SELECT count FROM ${schema}.block
       WHERE id > coalesce((SELECT max(until) FROM ${schema}.indexed), 0) AND id <= $1
         AND NOT EXISTS (SELECT FROM ${schema}.arriving WHERE front > 0)
       ORDER BY id LIMIT ${segmentBlocks}
     ) AS behind`,
    [settled],
  )
  return found !== undefined && (found.records >= segmentRecords || found.blocks >= segmentBlocks)
}

async function nextSegment(query: Query, schema: string, settled: number) {
  const found = await query<BlockSize>(
    `SELECT id, count, octet_length(body) AS bytes FROM ${schema}.block
     WHERE id > $1 AND id <= $2 ORDER BY id LIMIT ${segmentBlocks}`,
    [await indexedUntil({ query, schema }), settled],
  )
  return segmentOf(found)
}

function readSome(
  query: Query,
  schema: string,
  ids: readonly number[],
): Promise<readonly { readonly id: number; readonly body: Buffer }[]> {
  return query(`SELECT id, body FROM ${schema}.block WHERE id = ANY($1::bigint[]) ORDER BY id`, [ids])
}

/** Behind an entry that is damaged the block's others are not found by: verification names it. */
function addPostings(postings: ReturnType<typeof createSegmentPostings>, id: number, body: Buffer): void {
  try {
    postings.add(id, body)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}

async function putRows(
  query: Query,
  schema: string,
  until: number,
  rows: readonly (readonly [term: string, ids: readonly number[]])[],
): Promise<void> {
  for (let at = 0; at < rows.length; at += rowsAtOnce) {
    const some = rows.slice(at, at + rowsAtOnce)
    await query(
      `INSERT INTO ${schema}.posting (until, term, blocks)
       SELECT $1, t, b FROM unnest(${bytesIn(2)}, ${bytesIn(3)}) AS row (t, b)`,
      [
        until,
        writeBytesList(some.map(([term]) => Buffer.from(term))),
        writeBytesList(some.map(([, ids]) => encodeIds(ids))),
      ],
    )
  }
}
