import type { JobAnswers, NewJob } from '../jobs/job.ts'

/** What a row with its entries in the indexes takes up at most, in any store. */
export const rowBytes = 1_024

/** What new jobs count as. */
export function bytesOfNew(jobs: readonly Pick<NewJob, 'inputs'>[]): number {
  let bytes = 0
  for (const { inputs } of jobs) bytes += rowBytes + Buffer.byteLength(inputs)
  return bytes
}

/** What answers count as: their rows are some within that of their job. */
export function bytesOfAnswers(answers: readonly JobAnswers[]): number {
  let bytes = 0
  for (const { text } of answers) bytes += Buffer.byteLength(text)
  return bytes
}

/** Whether a result is surely longer: a character takes up three bytes at most. */
export function isLonger(answerBytes: number, charactersMax: number = Number.POSITIVE_INFINITY): boolean {
  return answerBytes > 3 * charactersMax
}

/** What a stored answer counts as; null for the reservation of one. */
export function bytesOfAnswer(sealed: Uint8Array | null): number {
  return rowBytes + (sealed?.byteLength ?? 0)
}
