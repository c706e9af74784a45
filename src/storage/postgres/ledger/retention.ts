import type { KeyObject } from 'node:crypto'
import { chainHashBytes } from '../../../ledger/format/chain.ts'
import { signTruncationPoint } from '../../../ledger/format/checkpoint.ts'
import type { Postgres, Query } from '../postgres.ts'
import { readArriving } from './arriving.ts'
import { tryTurn } from './try-turn.ts'

/** When the oldest records are dropped. With both bounds, whichever is exceeded first. */
export interface LedgerRetention {
  /** Milliseconds. */
  readonly ageMs?: number | undefined
  /** Milliseconds that sums of usage outlive the records by. @default for ever */
  readonly usageMs?: number | undefined
  /** Of the blocks, without the index. */
  readonly bytes?: number | undefined
}

export interface DropOptions {
  readonly postgres: Postgres
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly retention: LedgerRetention
  readonly signingKey: KeyObject
  /** Blocks behind it stay: usage does not count them yet, or one may come before them. */
  readonly until: number
}

/** What was dropped: how many records, and the last block among them. */
export interface Dropped {
  readonly records: number
  readonly until: number
}

/** Dropped in one transaction. */
const blocksAtOnce = 500
/** What a block takes beside its body. */
const blockBytes = 100
/** Blocks whose bytes are counted at once. */
const countedAtOnce = 8_192
const segmentsAtOnce = 4

interface OldBlock {
  readonly id: number
  readonly stream: number
  readonly stream_id: string
  readonly first_seq: number
  readonly count: number
  readonly max_at: number
  readonly bytes: number
}

/** Whether there is something to drop. */
export async function hasOld(options: DropOptions): Promise<boolean> {
  const { postgres, retention } = options
  if (retention.ageMs === undefined && retention.bytes === undefined) return false
  // What is still to come is older than all that is here.
  if ((await readArriving(postgres.query, postgres.schema)) !== undefined) return false
  if (retention.bytes !== undefined) await countBytes(options)
  return (await findOld(postgres.query, options)).length > 0
}

/**
 * Drops the oldest blocks beyond the retention, unless another node does so now. The newest block
 * stays. Undefined if none were dropped.
 */
export async function dropOldest(options: DropOptions): Promise<Dropped | undefined> {
  const { postgres } = options
  // First without a transaction: most turns have nothing to drop.
  if (!(await hasOld(options))) return undefined
  return postgres.transaction(async (query) => {
    const { schema } = postgres
    if (!(await tryTurn(query, schema, 'retention'))) return undefined
    const old = await findOld(query, options)
    const last = old.at(-1)
    if (last === undefined) return undefined
    await putBases(query, options, old)
    const ids = old.map(({ id }) => id)
    await query(`DELETE FROM ${schema}.block WHERE id = ANY($1::bigint[])`, [ids])
    await uncountBytes(query, schema, old)
    await dropPostings(query, schema)
    return { records: old.reduce((sum, { count }) => sum + count, 0), until: last.id }
  })
}

/** Adds up the bytes of the next blocks, until all are counted. */
async function countBytes({ postgres, until }: DropOptions): Promise<void> {
  const { schema } = postgres
  for (let counted = countedAtOnce; counted === countedAtOnce; )
    counted = await postgres.transaction(async (query) => {
      if (!(await tryTurn(query, schema, 'retention'))) return 0
      const [more] = await query<{ blocks: number; bytes: number; last: number | null }>(
        `SELECT count(*) AS blocks, coalesce(sum(bytes), 0)::bigint AS bytes, max(id) AS last FROM (
           SELECT id, octet_length(body) + ${blockBytes} AS bytes FROM ${schema}.block
           WHERE id > (SELECT until FROM ${schema}.counted_bytes) AND id <= $1 ORDER BY id LIMIT ${countedAtOnce}
         ) AS blocks_behind`,
        [until],
      )
      if (more?.last === null || more === undefined) return 0
      await query(`UPDATE ${schema}.counted_bytes SET bytes = bytes + $1, until = $2`, [
        more.bytes,
        more.last,
      ])
      return more.blocks
    })
}

/** Subtracts what was counted of blocks: without a maximum nothing is counted. */
async function uncountBytes(query: Query, schema: string, blocks: readonly OldBlock[]): Promise<void> {
  await query(
    `UPDATE ${schema}.counted_bytes SET bytes = bytes - (
       SELECT coalesce(sum(size), 0) FROM unnest($1::bigint[], $2::bigint[]) AS old (id, size) WHERE id <= until
     )`,
    [blocks.map(({ id }) => id), blocks.map(({ bytes }) => bytes + blockBytes)],
  )
}

async function findOld(query: Query, options: DropOptions): Promise<readonly OldBlock[]> {
  const { postgres, now, retention, until } = options
  const { schema } = postgres
  const oldest = await query<OldBlock>(
    `SELECT block.id, stream, stream.id AS stream_id, first_seq, count, max_at, octet_length(body) AS bytes
     FROM ${schema}.block JOIN ${schema}.stream ON stream.number = block.stream
     WHERE block.id < (SELECT max(id) FROM ${schema}.block) AND block.id <= $1 ORDER BY block.id LIMIT ${blocksAtOnce}`,
    [until],
  )
  if (retention.bytes !== undefined) {
    const over = beyondBytes(oldest, (await readBytes(query, schema)) - retention.bytes)
    if (over.length > 0) return over
  }
  if (retention.ageMs === undefined) return []
  const before = now - retention.ageMs
  const next = createNextTimes(query, schema, now)
  // Only from the front, even if a clock has jumped: a stream is truncated at one place.
  for (const [index, { id, max_at: at }] of oldest.entries())
    if ((at <= now ? at : await next(id, at)) >= before) return oldest.slice(0, index)
  return oldest
}

function beyondBytes(oldest: readonly OldBlock[], excess: number): readonly OldBlock[] {
  let rest = excess
  let count = 0
  while (rest > 0 && count < oldest.length) rest -= (oldest[count++]?.bytes ?? 0) + blockBytes
  return oldest.slice(0, count)
}

async function readBytes(query: Query, schema: string): Promise<number> {
  const [found] = await query<{ bytes: number }>(`SELECT bytes FROM ${schema}.counted_bytes`)
  return found?.bytes ?? 0
}

/**
 * A block with a future time, from a clock that had jumped ahead, counts as the next without one:
 * else it would stop retention until that time.
 */
function createNextTimes(query: Query, schema: string, now: number) {
  let found: { readonly id: number; readonly max_at: number } | undefined
  return async (id: number, at: number): Promise<number> => {
    if (found === undefined || found.id < id) {
      const [next] = await query<{ id: number; max_at: number }>(
        `SELECT id, max_at FROM ${schema}.block WHERE id > $1 AND max_at <= $2 ORDER BY id LIMIT 1`,
        [id, now],
      )
      found = next ?? { id: Number.POSITIVE_INFINITY, max_at: at }
    }
    return found.max_at
  }
}

/** States the last record dropped of each stream, signed. */
async function putBases(
  query: Query,
  { postgres: { schema }, now, signingKey }: DropOptions,
  blocks: readonly OldBlock[],
): Promise<void> {
  const lasts = new Map(blocks.map((block) => [block.stream, block]))
  const ids = [...lasts.values()].map(({ id }) => id)
  const links = await query<{ id: number; hash: string }>(
    `SELECT id, encode(substring(body FROM octet_length(body) - ${chainHashBytes - 1}), 'hex') AS hash
     FROM ${schema}.block WHERE id = ANY($1::bigint[])`,
    [ids],
  )
  const hashes = new Map(links.map(({ id, hash }) => [id, hash]))
  const bases = [...lasts.values()].map(({ id, stream, stream_id, first_seq, count }) => {
    const stated = { stream: stream_id, seq: first_seq + count - 1, hash: hashes.get(id) ?? '', at: now }
    return [stream, JSON.stringify(signTruncationPoint(stated, signingKey))] as const
  })
  await query(
    `INSERT INTO ${schema}.base (stream, checkpoint) SELECT * FROM unnest($1::int[], $2::text[])
     ON CONFLICT (stream) DO UPDATE SET checkpoint = excluded.checkpoint`,
    [bases.map(([stream]) => stream), bases.map(([, text]) => text)],
  )
}

/** Deletes postings of segments that are gone as a whole. */
async function dropPostings(query: Query, schema: string): Promise<void> {
  await query(
    `WITH gone AS (
       DELETE FROM ${schema}.indexed WHERE until IN (
         SELECT until FROM ${schema}.indexed
         WHERE until < (SELECT min(id) FROM ${schema}.block)
           AND until < (SELECT max(until) FROM ${schema}.indexed)
         ORDER BY until LIMIT ${segmentsAtOnce}
       ) RETURNING until
     ) DELETE FROM ${schema}.posting WHERE until IN (SELECT until FROM gone)`,
  )
}
