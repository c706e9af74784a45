import { chainHashBytes } from '../../../ledger/format/chain.ts'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import { parseTruncationPoint } from '../../../ledger/verify/checkpoint-trust.ts'
import type { LedgerFinding } from '../../../ledger/verify/finding.ts'
import type { StreamBegin } from '../../../ledger/verify/streams.ts'
import type { Query } from '../postgres.ts'
import { type Arriving, readArriving } from './arriving.ts'

/** What of a history is still to come, as verification has to know it. */
export interface ArrivingStreams {
  /** What stands for the records of each stream that are not here. Not signed. */
  readonly begins: readonly StreamBegin[]
  /**
   * Blocks that such a beginning is the end of: without the records before them nothing tells
   * whether they are in order.
   */
  readonly taken: ReadonlySet<number>
  /** That not all is here, and which checkpoints are not reached; undefined where all is. */
  readonly finding: (checkpoints: readonly LedgerCheckpoint[]) => LedgerFinding | undefined
}

interface StreamRow {
  readonly stream: string
  readonly seq: number
  readonly hash: string
  /** Of the first block that is here; null without one. */
  readonly block: number | null
  readonly first: number | null
  readonly base: string | null
}

/** In the snapshot that verification reads. */
export async function readArrivingStreams(query: Query, schema: string): Promise<ArrivingStreams> {
  const arriving = await readArriving(query, schema)
  if (arriving === undefined || arriving.front === 0)
    return { begins: [], taken: new Set(), finding: () => undefined }
  const rows = await query<StreamRow>(
    `SELECT s.id AS stream, coalesce(b.first_seq + b.count - 1, s.seq)::float8 AS seq,
       encode(coalesce(b.link, s.link), 'hex') AS hash, b.id::float8 AS block, b.first_seq::float8 AS first,
       base.checkpoint AS base
     FROM ${schema}.stream s LEFT JOIN ${schema}.base ON base.stream = s.number
     LEFT JOIN LATERAL (
       SELECT id, first_seq, count, substring(body FROM greatest(1, octet_length(body) - ${chainHashBytes - 1})) AS link
       FROM ${schema}.block WHERE stream = s.number ORDER BY first_seq LIMIT 1
     ) b ON true WHERE s.number <= $1 ORDER BY s.number`,
    [arriving.lastStream],
  )
  const open = rows.filter(({ first, base }) => first === null || first !== seqOf(base) + 1)
  return {
    begins: open.map(({ stream, seq, hash }) => ({ stream, seq, hash })),
    taken: new Set(open.flatMap(({ block }) => block ?? [])),
    finding: (checkpoints) => findingOf(arriving, open, checkpoints),
  }
}

/** Up to where a stream's base stands for it; 0 without one, or where it states nothing. */
function seqOf(base: string | null): number {
  if (base === null) return 0
  try {
    return parseTruncationPoint(JSON.parse(base))?.seq ?? 0
  } catch {
    return 0
  }
}

function findingOf(
  { blocks }: Arriving,
  open: readonly StreamBegin[],
  checkpoints: readonly LedgerCheckpoint[],
): LedgerFinding {
  const count = checkpoints.filter(({ stream, seq }) =>
    open.some((begin) => begin.stream === stream && begin.seq >= seq),
  ).length
  const unreached =
    count === 0
      ? ''
      : `, and ${count === 1 ? 'a given checkpoint is' : `${count} given checkpoints are`} of those`
  const message = `the history of the folder that it was copied from is not whole yet: ${blocks} ${blocks === 1 ? 'block is' : 'blocks are'} still to come${unreached}; what is here is in order. Let modelward copy end, and verify again`
  return { kind: 'history_arriving', stream: '', seq: 1, position: null, message }
}
