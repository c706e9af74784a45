import type { StoredAnswer } from '../../idempotency/idempotency-store.ts'
import type { BelievedRows } from './believed-rows.ts'

/** The columns that the MAC of an answer is of, in the order of `AnswerCells`. */
export const answerColumns = 'id, request_digest, sealed, expires_at'

export type AnswerCells = readonly [id: string, requestDigest: string, sealed: Uint8Array, expiresAt: number]

/** With the MAC. */
export type CheckedAnswerCells = readonly [...AnswerCells, mac: Uint8Array | null]

/** @throws Fault `store_unavailable` for one that is not the one that was written */
export function decodeAnswer(
  rows: BelievedRows,
  [id, requestDigest, sealed, expiresAt, mac]: CheckedAnswerCells,
): StoredAnswer {
  rows.check('answer', id, [id, requestDigest, sealed, expiresAt], mac)
  return Object.freeze({ id, requestDigest, sealed, expiresAt })
}

/** @returns the cells of an answer, with their MAC */
export function encodeAnswer(
  rows: BelievedRows,
  { id, requestDigest, sealed, expiresAt }: StoredAnswer,
): readonly [...AnswerCells, mac: Uint8Array] {
  const cells = [id, requestDigest, sealed, expiresAt] as const
  return [...cells, rows.macOf('answer', cells)]
}
