import { createHash } from 'node:crypto'
import type { JobAnswers } from '../../../jobs/job.ts'
import { piecesOf } from '../../text-pieces.ts'
import { countValues } from './count-values.ts'
import { dropTextsAhead } from './job-inputs.ts'
import type { JobParts } from './job-parts.ts'

/** Answers on their way to the server. */
export interface EncodedAnswers {
  readonly pieces: readonly { readonly from: number; readonly piece: number; readonly bytes: Uint8Array }[]
  /** Places where answers are already, that are too long for the statement of their change. */
  readonly ahead: readonly number[]
  /** Of all, those ahead among them. */
  readonly bytes: number
  /** Of the pieces. */
  readonly packedBytes: number
  /** JSON values in them, by a reading of them. */
  readonly values: number
  /** Of each text, in their order. */
  readonly hashes: readonly Uint8Array[]
}

/** Answers that were encoded once. */
export interface AnswerEncoding {
  readonly take: (added: readonly JobAnswers[]) => EncodedAnswers
  /** Deletes what was written ahead and has not found its job. Never rejects. */
  readonly drop: () => Promise<void>
}

/** Bytes of answers that go in the statement of their change; longer ones are written ahead. */
const packedBytesMost = 1_048_576

/** Encodes answers, and reads how many they are. Takes turns with other work. */
export async function encodeAnswers(
  answers: readonly JobAnswers[],
  parts: Pick<JobParts, 'postgres' | 'scheduler'>,
): Promise<AnswerEncoding> {
  const encoded = new Map<JobAnswers, EncodedAnswers>()
  const drop = async (): Promise<void> => {
    const ahead = [...encoded.values()].flatMap((each) => each.ahead)
    // What is left behind, because the database is out, goes by itself.
    await dropTextsAhead(parts.postgres, ahead).catch(() => undefined)
  }
  try {
    for (const answer of answers) encoded.set(answer, await encode(answer, parts))
  } catch (fault) {
    await drop()
    throw fault
  }
  return {
    take(added) {
      const all = added.flatMap((answer) => encoded.get(answer) ?? [])
      const sum = (of: (each: EncodedAnswers) => number): number =>
        all.reduce((total, each) => total + of(each), 0)
      return {
        pieces: all.flatMap(({ pieces }) => pieces),
        ahead: all.flatMap(({ ahead }) => ahead),
        bytes: sum(({ bytes }) => bytes),
        packedBytes: sum(({ packedBytes }) => packedBytes),
        values: sum(({ values }) => values),
        hashes: all.flatMap(({ hashes }) => hashes),
      }
    },
    drop,
  }
}

async function encode(
  answer: JobAnswers,
  { postgres, scheduler }: Pick<JobParts, 'postgres' | 'scheduler'>,
): Promise<EncodedAnswers> {
  const pieces: { from: number; piece: number; bytes: Uint8Array }[] = []
  let bytes = 0
  const hash = createHash('sha256')
  for (const text of piecesOf(answer.text)) {
    if (pieces.length > 0) await scheduler.yieldTurn()
    const piece = Buffer.from(text)
    pieces.push({ from: answer.from, piece: pieces.length, bytes: piece })
    bytes += piece.length
    hash.update(piece)
  }
  const hashes = [hash.digest()]
  const values = await countValues(answer.text, scheduler)
  if (bytes <= packedBytesMost) return { pieces, ahead: [], bytes, packedBytes: bytes, values, hashes }
  return { pieces: [], ahead: [await writeAhead(postgres, answer)], bytes, packedBytes: 0, values, hashes }
}

/** Writes long answers before their change, a piece a statement; gives where they are meanwhile. */
async function writeAhead(
  { query, schema }: JobParts['postgres'],
  { from, text }: JobAnswers,
): Promise<number> {
  let [place, piece] = [0, 0]
  for (const answers of piecesOf(text)) {
    if (piece === 0) {
      const [begun] = await query<{ readonly place: number }>(
        `SELECT ${schema}.begin_answers($1, $2) AS place`,
        [from, answers],
      )
      if (begun === undefined) throw new Error('begin_answers gave no place')
      place = begun.place
    } else
      await query(
        `INSERT INTO ${schema}.job_answers (place, from_input, piece, answers) VALUES ($1, $2, $3, $4)`,
        [...[place, from, piece, answers]],
      )
    piece += 1
  }
  return place
}
