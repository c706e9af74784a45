import { Fault } from '../../../core/fault.ts'
import type { ChainHash } from '../../../ledger/format/chain.ts'
import { createStreamDraft, type StreamDraft, type StreamHead } from '../../ledger/block-draft.ts'
import { changeOfEntry } from '../../ledger/entry-change.ts'
import type { Postgres } from '../postgres.ts'

/** Blocks that one statement writes, all or none. */
export interface CommitDraft extends StreamDraft {
  /** The values of the blocks, in their order. */
  readonly blocks: () => readonly unknown[]
  /** How far the changes of keys have come by these records; 0 if they do not say. */
  readonly change: () => number
}

/** Drafts the blocks of a commit behind a head. */
export function createCommitDraft(head: StreamHead): CommitDraft {
  const blocks: unknown[] = []
  let change = 0
  const draft = createStreamDraft(
    head,
    // The body is reused for the next block.
    (firstSeq, count, minAt, maxAt, body) => blocks.push(firstSeq, count, minAt, maxAt, Buffer.from(body)),
    (entry) => {
      change = Math.max(change, changeOfEntry(entry))
    },
  )
  return { ...draft, blocks: () => blocks, change: () => change }
}

/** Values of a block in a statement. */
const blockValues = 5

/** What stays false makes the statement write nothing: an answer must not be ahead of the disk. */
const isDurable = `current_setting('synchronous_commit') <> 'off'`

/** A stream's row, as a commit leaves it. */
export interface StreamRow {
  readonly number: number
  /** The head that the commit goes on from: with another in the row nothing is written. */
  readonly from: number
  readonly head: StreamHead
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly isClosed: boolean
}

/**
 * Writes blocks behind a stream's head, in one statement that is one transaction.
 *
 * @returns whether they were written; false if the row has another head or is closed, or commits
 *   are not durable
 * @throws Fault `ledger_unavailable`, by rejecting: it is unknown whether they were written
 */
export async function commitBlocks(postgres: Postgres, row: StreamRow, draft: CommitDraft): Promise<boolean> {
  const { number, from, head, now, isClosed } = row
  const { schema, query } = postgres
  const values = [number, from, head.seq, linkOf(head.chainHash), now, isClosed]
  const blocks = draft.blocks()
  if (blocks.length === blockValues && draft.change() === 0) {
    const call = `SELECT ${schema}.commit_block_2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS written`
    const [committed] = await query<{ written: boolean }>(call, [...values, ...blocks])
    return committed?.written === true
  }
  const moved = `UPDATE ${schema}.stream SET seq = $3, link = $4, written_at = $5, is_closed = $6
    WHERE number = $1 AND seq = $2 AND NOT is_closed AND ${isDurable} RETURNING number`
  return writeBlocks(postgres, moved, values, draft)
}

/** A stream to begin. */
export interface NewStreamRow extends Pick<StreamRow, 'head' | 'now' | 'isClosed'> {
  readonly id: string
  /** The process that writes it. */
  readonly node: string
}

/**
 * Begins a stream with its first blocks.
 *
 * @returns whether it was written; false if commits are not durable
 * @throws Fault as `commitBlocks`
 */
export async function commitStream(
  postgres: Postgres,
  row: NewStreamRow,
  draft: CommitDraft,
): Promise<boolean> {
  const { id, node, head, now, isClosed } = row
  const values = [id, node, head.seq, linkOf(head.chainHash), now, isClosed]
  const begun = `INSERT INTO ${postgres.schema}.stream (id, node, opened_at, written_at, seq, link, is_closed)
    SELECT $1::text, $2::text, $5::bigint, $5::bigint, $3::bigint, $4::bytea, $6::boolean WHERE ${isDurable}
    RETURNING number`
  return writeBlocks(postgres, begun, values, draft)
}

async function writeBlocks(
  postgres: Postgres,
  head: string,
  values: readonly unknown[],
  draft: CommitDraft,
): Promise<boolean> {
  const blocks = draft.blocks()
  const change = draft.change()
  const first = values.length + 1
  const count = blocks.length / blockValues
  const noted =
    change === 0
      ? ''
      : `, noted AS (UPDATE ${postgres.schema}.recorded_change SET change = greatest(change, $${first + blocks.length})
          FROM head RETURNING change)`
  const text = `WITH head AS (${head})${noted}
    INSERT INTO ${postgres.schema}.block (stream, first_seq, count, min_at, max_at, body)
    SELECT head.number, v.* FROM head, (VALUES ${placesOf(first, count)}) v ORDER BY 2 RETURNING count`
  const all = [...values, ...blocks, ...(change === 0 ? [] : [change])]
  return (await postgres.query(text, all)).length === count
}

const types = ['bigint', 'int', 'bigint', 'bigint', 'bytea'] as const

/** `($7::bigint, …), ($12, …)`: the first row says the types. */
function placesOf(first: number, count: number): string {
  const rows: string[] = []
  for (let block = 0; block < count; block += 1) {
    const at = first + block * blockValues
    rows.push(`(${types.map((type, index) => `$${at + index}${block === 0 ? `::${type}` : ''}`).join(', ')})`)
  }
  return rows.join(', ')
}

/** A chain hash as it is stored. */
function linkOf(chainHash: ChainHash): Buffer {
  return Buffer.from(chainHash, 'latin1')
}

/** A stream's number and head, as the database has them. */
export interface StoredHead {
  readonly number: number
  readonly head: StreamHead
  readonly isClosed: boolean
}

/**
 * Reads a stream's head; undefined for a stream that is not there.
 *
 * @throws Fault `ledger_unavailable`, by rejecting; with a message of its own where commits are not
 *   durable
 */
export async function readHead(postgres: Postgres, id: string): Promise<StoredHead | undefined> {
  const [found] = await postgres.query<StoredRow>(
    `SELECT number, seq, link, is_closed AS "isClosed", current_setting('synchronous_commit') AS sync
     FROM ${postgres.schema}.stream WHERE id = $1`,
    [id],
  )
  if (found?.sync === 'off') throw notDurable()
  if (found === undefined) return undefined
  const { number, seq, link, isClosed } = found
  return { number, isClosed, head: { seq, chainHash: link.toString('latin1') } }
}

interface StoredRow {
  readonly number: number
  readonly seq: number
  readonly link: Buffer
  readonly isClosed: boolean
  readonly sync: string
}

/** What an operator has to mend: the database says that a commit is there before it is stored. */
export function notDurable(): Fault {
  return new Fault(
    'ledger_unavailable',
    'ledger: synchronous_commit is off for this role or database, so that a commit may be lost; ALTER ROLE … RESET synchronous_commit, or ALTER DATABASE',
  )
}

/** Commits without a record. @throws Fault as `readHead` */
export async function tryCommit(postgres: Postgres, stream: number): Promise<void> {
  const [found] = await postgres.query<{ sync: string }>(
    `WITH same AS (UPDATE ${postgres.schema}.stream SET seq = seq WHERE number = $1)
     SELECT current_setting('synchronous_commit') AS sync`,
    [stream],
  )
  if (found?.sync === 'off') throw notDurable()
}
