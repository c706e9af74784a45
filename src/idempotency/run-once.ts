import { randomUUID } from 'node:crypto'
import { Refusal } from '../core/refusal.ts'
import type { Clock } from '../core/time.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { AnswerSeal, Idempotency } from './answer-seal.ts'
import type { AnswerReservation, KeptAnswer, KeptAnswers } from './idempotency-store.ts'

/** An answer as it can be kept. */
export interface PlainAnswer {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The name that a request holds while it is carried out. */
export interface HeldName {
  /**
   * The answer, sealed, for whoever commits it together with something else, such as a job. Nothing is kept afterwards; where
   * the work fails after all, it is forgotten.
   */
  readonly keep: (answer: PlainAnswer) => KeptAnswer
}

/**
 * Carries a request out once, and gives its answer to whoever repeats it: with the header `idempotency-replayed: true`. Without `idempotency`
 * the work is simply done.
 *
 * Only answers of the 200s are kept, for 24 hours, and before they are given: a request that was refused or failed can be repeated. Where the
 * process dies meanwhile, the name is free again after `reserveMs`: it should be the longest that the work may take, and a little more.
 *
 * @throws Refusal `idempotency_mismatch` where the name was used for another request; `idempotency_in_flight`, with `Retry-After`, where
 * the same one is under way
 * @throws Fault `store_unavailable`: an answer that cannot be kept is not given either, for it was promised
 */
export type AnswerOnce = (
  idempotency: Idempotency | undefined,
  work: (held: HeldName | undefined) => Promise<PlainAnswer>,
  options?: { readonly reserveMs?: number },
) => Promise<PlainAnswer>

export interface AnswerOnceOptions {
  readonly answers: KeptAnswers
  readonly seal: AnswerSeal
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/** Headers that belong to the answer itself. Others are of one request, such as its id and how its limits stand. */
const keptHeaders: readonly string[] = [
  'content-type',
  'content-language',
  'content-location',
  'location',
  'preference-applied',
]

const reserveMsDefault = 30_000

export function createAnswerOnce(options: AnswerOnceOptions): AnswerOnce {
  const { answers, seal, clock } = options

  async function reserve(idempotency: Idempotency, reserveMs: number): Promise<Reserved> {
    const now = clock()
    const requestDigest = seal.digestOf(idempotency)
    const reservation = {
      id: seal.idOf(idempotency),
      requestDigest,
      holder: randomUUID(),
      until: now + reserveMs,
    }
    const outcome = await answers.reserve(reservation, now)
    if (outcome.outcome === 'reserved') return { reservation }
    if (outcome.requestDigest !== requestDigest) throw new Refusal('idempotency_mismatch')
    if (outcome.outcome === 'taken')
      throw new Refusal('idempotency_in_flight', undefined, { headers: { 'retry-after': '1' } })
    return { replayed: replayOf(seal.open({ ...outcome, id: reservation.id }, idempotency)) }
  }

  return async (idempotency, work, { reserveMs = reserveMsDefault } = {}) => {
    if (idempotency === undefined) return work(undefined)
    const reserved = await reserve(idempotency, reserveMs)
    if ('replayed' in reserved) return reserved.replayed
    return carryOut(options, idempotency, reserved.reservation, work)
  }
}

type Reserved = { readonly reservation: AnswerReservation } | { readonly replayed: PlainAnswer }

async function carryOut(
  { answers, seal, telemetry }: AnswerOnceOptions,
  idempotency: Idempotency,
  { id, holder }: AnswerReservation,
  work: (held: HeldName) => Promise<PlainAnswer>,
): Promise<PlainAnswer> {
  let isCommitted = false
  const sealed = (answer: PlainAnswer): KeptAnswer => ({
    ...seal.seal(idempotency, JSON.stringify({ ...answer, headers: withoutOthers(answer.headers) })),
    holder,
  })
  const giveBack = (): Promise<void> =>
    answers
      .release({ id, holder })
      .catch((fault: unknown) => telemetry.event('idempotency.release_failed', {}, fault))
  try {
    const answer = await work({
      keep(kept) {
        isCommitted = true
        return sealed(kept)
      },
    })
    if (isCommitted) return answer
    if (answer.status < 200 || answer.status > 299) await giveBack()
    // False where the work took longer than the reservation: another request may have been carried out under it. This one was, too.
    else await answers.keep(sealed(answer))
    return answer
  } catch (thrown) {
    await giveBack()
    throw thrown
  }
}

function replayOf(text: string): PlainAnswer {
  const kept = JSON.parse(text) as PlainAnswer
  return { ...kept, headers: { ...kept.headers, 'idempotency-replayed': 'true' } }
}

function withoutOthers(headers: PlainAnswer['headers']): PlainAnswer['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => keptHeaders.includes(name)))
}
