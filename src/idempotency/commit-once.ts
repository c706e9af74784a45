import { Fault } from '../core/fault.ts'
import type { Clock } from '../core/time.ts'
import type { AnswerSeal, Idempotency } from './answer-seal.ts'
import type { StoredAnswer, StoredAnswers } from './idempotency-store.ts'

/** What became of a commit: it was made, or an earlier one had stored the answer. */
export type CommitOutcome<Result> =
  | { readonly outcome: 'committed'; readonly result: Result }
  | { readonly outcome: 'answered'; readonly answer: StoredAnswer }

export interface CommitOnceOptions {
  readonly store: StoredAnswers
  readonly seal: AnswerSeal
  readonly clock: Clock
}

/**
 * Runs a request once if its work is a single commit: `runOnce` without a reservation. The store
 * writes the answer in that commit, or returns the answer that is already there. So of requests at
 * the same time all get the answer of the first, none a 409, and a crash leaves no reservation.
 *
 * @param commit makes the change together with the answer that it seals
 * @param replay returns the result again, from the sealed text
 */
export async function commitOnce<Result>(
  { store, seal, clock }: CommitOnceOptions,
  idempotency: Idempotency | undefined,
  commit: (sealAnswer: (text: string) => StoredAnswer | undefined) => Promise<CommitOutcome<Result>>,
  replay: (text: string) => Promise<Result>,
): Promise<Result> {
  const stored = idempotency && (await store.findAnswer(seal.idOf(idempotency), clock()))
  if (idempotency !== undefined && stored !== undefined) return replay(seal.open(stored, idempotency))
  const done = await commit((text) => idempotency && seal.seal(idempotency, text))
  if (done.outcome === 'committed') return done.result
  if (idempotency === undefined)
    throw new Fault('internal', 'the store gave an answer to a request without an idempotency key')
  return replay(seal.open(done.answer, idempotency))
}
