import { hashAnswers } from '../../job-row-macs.ts'
import type { Postgres } from '../postgres.ts'
import type { StoredJob } from './job-row.ts'

interface PieceRow {
  readonly from_input: number
  readonly piece: number
  readonly answers: string
}

/** Pieces that one statement reads: 1 MiB. */
const piecesAtOnce = 4

/**
 * Reads the stored answers of a job, piece by piece. `changed`: the job has changed meanwhile.
 * `damaged`: they are not those that were written.
 *
 * @param take gets each piece; `isFirst` of what was added at once
 */
export async function readAnswers(
  { query, schema }: Postgres,
  { place, job, answersHash }: StoredJob,
  take: (piece: string, isFirst: boolean) => void = () => {},
): Promise<'whole' | 'changed' | 'damaged'> {
  const hash = hashAnswers()
  let last: PieceRow | undefined
  for (;;) {
    const rows: readonly PieceRow[] = await query<PieceRow>(
      `SELECT a.from_input, a.piece, a.answers FROM ${schema}.job_answers AS a
        WHERE a.place = $1 AND (a.from_input, a.piece) > ($2, $3)
          AND EXISTS (SELECT FROM ${schema}.jobs AS j WHERE j.place = $1 AND j.version = $4)
        ORDER BY a.from_input, a.piece LIMIT ${piecesAtOnce}`,
      [place, last?.from_input ?? -1, last?.piece ?? -1, job.version],
    )
    for (const row of rows) {
      take(row.answers, row.from_input !== last?.from_input)
      hash.add(row.from_input, row.answers)
      last = row
    }
    if (rows.length < piecesAtOnce) break
  }
  if (areSame(hash.end(), answersHash)) return 'whole'
  const stands = await query(`SELECT FROM ${schema}.jobs WHERE place = $1 AND version = $2`, [
    place,
    job.version,
  ])
  return stands.length === 0 ? 'changed' : 'damaged'
}

function areSame(one: Uint8Array | null, other: Uint8Array | null): boolean {
  return one === null || other === null ? one === other : Buffer.compare(one, other) === 0
}
