import type { LedgerBlock } from '../../../ledger/format/block.ts'
import type { StoredTruncationPoint } from '../../../ledger/verify/truncation-point.ts'
import type { Query } from '../postgres.ts'

const blocksAtOnce = 256
/** Bytes of bodies that one statement gives, but for the last. */
const bytesAtOnce = 1_048_576

/**
 * Every block in the order of ids, for verification: in a transaction with one snapshot. Numbers
 * that someone made too large come out inexact, and are found.
 */
export async function* storedBlocks(
  query: Query,
  schema: string,
): AsyncGenerator<LedgerBlock, void, undefined> {
  // As a text: the least of all ids.
  let after: string | undefined
  for (;;) {
    const sizes = await query<{ id: string; bytes: number }>(
      `SELECT id::text AS id, octet_length(body) AS bytes FROM ${schema}.block
       ${after === undefined ? '' : 'WHERE id > $1::bigint'} ORDER BY block.id LIMIT ${blocksAtOnce}`,
      after === undefined ? [] : [after],
    )
    for (let at = 0; at < sizes.length; ) {
      const ids: string[] = []
      for (let size = 0; at < sizes.length && size < bytesAtOnce; at += 1) {
        ids.push(sizes[at]?.id ?? '')
        size += sizes[at]?.bytes ?? 0
      }
      yield* await readSome(query, schema, ids)
    }
    after = sizes.at(-1)?.id
    if (after === undefined || sizes.length < blocksAtOnce) return
  }
}

async function readSome(
  query: Query,
  schema: string,
  ids: readonly string[],
): Promise<readonly LedgerBlock[]> {
  // A left join: a block whose stream is not known is shown, not hidden.
  return query<LedgerBlock>(
    `SELECT block.id::float8 AS id, coalesce(stream.id, '') AS stream, first_seq::float8 AS "firstSeq", count,
       min_at::float8 AS "minAt", max_at::float8 AS "maxAt", body
     FROM ${schema}.block LEFT JOIN ${schema}.stream ON stream.number = block.stream
     WHERE block.id = ANY($1::bigint[]) ORDER BY block.id`,
    [ids],
  )
}

/** The truncation point of each stream whose beginning was dropped. Not checked here. */
export function storedTruncationPoints(
  query: Query,
  schema: string,
): Promise<readonly StoredTruncationPoint[]> {
  return query<StoredTruncationPoint>(
    `SELECT coalesce(stream.id, '') AS stream, checkpoint AS text
     FROM ${schema}.base LEFT JOIN ${schema}.stream ON stream.number = base.stream ORDER BY base.stream`,
  )
}

/** Where a stream's row says that it has come to. */
export interface StoredStream {
  readonly id: string
  readonly seq: number
  /** 64 hex digits, as long as no one changed it. */
  readonly hash: string
}

/** Every stream in the order of opening. */
export function storedStreams(query: Query, schema: string): Promise<readonly StoredStream[]> {
  return query<StoredStream>(
    `SELECT id, seq::float8 AS seq, encode(link, 'hex') AS hash FROM ${schema}.stream ORDER BY number`,
  )
}
