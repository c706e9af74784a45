import { createHash } from 'node:crypto'
import type { NewJob } from '../../../jobs/job.ts'
import { hashOf } from '../../job-row-macs.ts'
import { piecesOf } from '../../text-pieces.ts'
import type { Postgres } from '../postgres.ts'
import type { StoredJob } from './job-row.ts'

/** Inputs that were written ahead of their job. */
export interface WrittenInputs {
  readonly place: number
  readonly pieces: number
  readonly hash: Uint8Array
}

/**
 * Writes long inputs before their job is accepted, one piece a statement: no statement, no
 * transaction and no turn of the event loop grows with them. Without their job they count for
 * nothing and are deleted after minutes.
 */
export async function writeInputsAhead(
  { query, schema }: Pick<Postgres, 'query' | 'schema'>,
  { inputs }: Pick<NewJob, 'inputs'>,
): Promise<WrittenInputs> {
  let written: { readonly place: number; pieces: number } | undefined
  const hash = createHash('sha256')
  for (const piece of piecesOf(inputs)) {
    hash.update(piece)
    if (written === undefined) {
      const [begun] = await query<{ readonly place: number }>(`SELECT ${schema}.begin_inputs($1) AS place`, [
        piece,
      ])
      if (begun === undefined) throw new Error('begin_inputs gave no place')
      written = { place: begun.place, pieces: 1 }
      continue
    }
    await query(`INSERT INTO ${schema}.job_inputs (place, piece, inputs) VALUES ($1, $2, $3)`, [
      written.place,
      written.pieces,
      piece,
    ])
    written.pieces += 1
  }
  if (written === undefined) throw new Error('there is a first piece')
  return { ...written, hash: hash.digest() }
}

/** Deletes what was written ahead for nothing; what has found its job is no longer ahead. */
export async function dropTextsAhead(
  { query, schema }: Pick<Postgres, 'query' | 'schema'>,
  places: readonly number[],
): Promise<void> {
  if (places.length === 0) return
  await query(
    `WITH gone AS (DELETE FROM ${schema}.texts_ahead WHERE place = ANY ($1::bigint[]) RETURNING place),
      inputs AS (DELETE FROM ${schema}.job_inputs AS i USING gone WHERE i.place = gone.place)
      DELETE FROM ${schema}.job_answers AS a USING gone WHERE a.place = gone.place`,
    [places],
  )
}

/**
 * The inputs of a job, piece by piece; undefined where they are not those that were written.
 *
 * @param whole as they were read with the job; null where they were not
 */
export async function readInputs(
  { query, schema }: Pick<Postgres, 'query' | 'schema'>,
  { place, pieces, inputsHash }: StoredJob,
  whole: string | null,
): Promise<string | undefined> {
  if (whole !== null) return hashOf(whole).equals(inputsHash) ? whole : undefined
  const hash = createHash('sha256')
  const texts: string[] = []
  for (let piece = 0; piece < pieces; piece += 1) {
    const [row] = await query<{ readonly inputs: string }>(
      `SELECT inputs FROM ${schema}.job_inputs WHERE place = $1 AND piece = $2`,
      [place, piece],
    )
    if (row === undefined) return undefined
    texts.push(row.inputs)
    hash.update(row.inputs)
  }
  return hash.digest().equals(inputsHash) ? texts.join('') : undefined
}
