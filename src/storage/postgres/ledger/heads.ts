import { SetupError } from '../../../core/setup-error.ts'
import { lastFrameOf } from '../../../ledger/format/block.ts'
import { decodeEntry } from '../../../ledger/format/encoding.ts'
import type { LedgerHead } from '../../storage.ts'
import type { Postgres } from '../postgres.ts'

interface HeadRow {
  readonly stream: string
  readonly seq: number
  readonly hash: string
  readonly block_seq: number
  readonly body: Buffer
}

/** Streams that one statement gives: each with a block. */
const streamsAtOnce = 16

/**
 * The head of every stream that has records, the stream written last first.
 *
 * @throws SetupError `data_corrupt`; Fault `ledger_unavailable`; by rejecting
 */
export async function readPostgresHeads({ query, schema, name }: Postgres): Promise<readonly LedgerHead[]> {
  const heads: { readonly block: number; readonly head: LedgerHead }[] = []
  for (let after = 0; ; ) {
    const rows = await query<HeadRow & { readonly number: number; readonly block: number }>(
      `SELECT s.number, s.id AS stream, s.seq, encode(s.link, 'hex') AS hash, b.id AS block, b.body,
         b.first_seq + b.count - 1 AS block_seq
       FROM (SELECT * FROM ${schema}.stream WHERE number > $1 ORDER BY number LIMIT ${streamsAtOnce}) s
       LEFT JOIN LATERAL (
         SELECT id, first_seq, count, body FROM ${schema}.block WHERE stream = s.number ORDER BY first_seq DESC LIMIT 1
       ) b ON true ORDER BY s.number`,
      [after],
    )
    // A stream whose records were all dropped has no head.
    for (const row of rows) if (row.block !== null) heads.push({ block: row.block, head: headOf(row, name) })
    const last = rows.at(-1)?.number
    if (last === undefined || rows.length < streamsAtOnce) break
    after = last
  }
  return heads.toSorted((one, other) => other.block - one.block).map(({ head }) => head)
}

function headOf({ stream, seq, hash, block_seq, body }: HeadRow, name: string): LedgerHead {
  // What cannot be read must not be signed.
  const damaged = (cause?: unknown): SetupError =>
    new SetupError('data_corrupt', `${name}: the last block of stream ${stream} is damaged`, { cause })
  let head: LedgerHead
  try {
    const { start, end, next } = lastFrameOf(body)
    const { event } = decodeEntry(body.subarray(start, end))
    head = { stream, seq: block_seq, hash: body.toString('hex', end, next), event }
  } catch (error) {
    throw damaged(error)
  }
  if (head.seq !== seq || head.hash !== hash) throw damaged()
  return head
}
