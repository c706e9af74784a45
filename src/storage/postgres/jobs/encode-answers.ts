import type { Scheduler } from '../../../core/scheduler.ts'
import type { JobAnswers } from '../../../jobs/job.ts'
import { countValues } from './count-values.ts'
import { piecesOf } from './text-pack.ts'

/** Answers on their way to the server, in pieces. */
export interface EncodedAnswers {
  readonly pieces: readonly { readonly from: number; readonly piece: number; readonly bytes: Uint8Array }[]
  readonly bytes: number
  /** JSON values in them, by a reading of them. */
  readonly values: number
}

/** Encodes each answer once, and reads it: see `EncodedAnswers`. Takes turns with other work. */
export async function encodeAnswers(
  answers: readonly JobAnswers[],
  scheduler: Pick<Scheduler, 'yieldTurn'>,
): Promise<(added: readonly JobAnswers[]) => EncodedAnswers> {
  const encoded = new Map<JobAnswers, EncodedAnswers>()
  for (const answer of answers) {
    const pieces: { from: number; piece: number; bytes: Uint8Array }[] = []
    let bytes = 0
    for (const text of piecesOf(answer.text)) {
      if (pieces.length > 0) await scheduler.yieldTurn()
      const piece = Buffer.from(text)
      pieces.push({ from: answer.from, piece: pieces.length, bytes: piece })
      bytes += piece.length
    }
    encoded.set(answer, { pieces, bytes, values: await countValues(answer.text, scheduler) })
  }
  return (added) => {
    const all = added.flatMap((answer) => encoded.get(answer) ?? [])
    return {
      pieces: all.flatMap(({ pieces }) => pieces),
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      values: all.reduce((sum, { values }) => sum + values, 0),
    }
  }
}
