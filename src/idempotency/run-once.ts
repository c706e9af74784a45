import { randomUUID } from 'node:crypto'
import { Refusal } from '../core/refusal.ts'
import type { Clock } from '../core/time.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { AnswerSeal, Idempotency } from './answer-seal.ts'
import type { IdempotencyStore, ReservationRecord, ReservedAnswer } from './idempotency-store.ts'
import { type StoredBytesBounds, storedBytesError } from './stored-bytes.ts'

/** An answer as it can be stored. */
export interface PlainAnswer {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The reservation of an idempotency key, held by a request while it runs. */
export interface Reservation {
  /**
   * Seals the answer for a caller that commits it together with something else, such as a job.
   * `runOnce` then stores nothing; if the work fails after all, it releases the reservation.
   */
  readonly seal: (answer: PlainAnswer) => ReservedAnswer
}

/**
 * Runs a request once and gives its answer to every retry, with the header
 * `idempotency-replayed: true`. Without `idempotency` it just runs the work.
 *
 * Only 2xx answers are stored, for 24 hours, and before they are given: a request that was refused
 * or failed can be repeated. If the process dies meanwhile, the idempotency key is free again after
 * `reserveMs`, which should be a little more than the work may take.
 *
 * @throws Refusal `idempotency_mismatch` if the idempotency key was used for another request;
 *   `idempotency_in_flight`, with `Retry-After`, while the same request runs; `storage_exhausted`
 *   where the owner stores as many bytes as they may
 * @throws Fault `overloaded` where all owners together do
 * @throws Fault `store_unavailable`: an answer that cannot be stored is not given either
 */
export type RunOnce = (
  idempotency: Idempotency | undefined,
  work: (reservation: Reservation | undefined) => Promise<PlainAnswer>,
  options?: { readonly reserveMs?: number },
) => Promise<PlainAnswer>

export interface RunOnceOptions {
  readonly store: IdempotencyStore
  readonly seal: AnswerSeal
  readonly bounds: StoredBytesBounds
  readonly clock: Clock
  readonly telemetry: Telemetry
  /**
   * Letters: names this process in its reservations, so that the next of that name can free those
   * that it leaves when it is killed.
   * @default they end by themselves, after `reserveMs`
   */
  readonly reserver?: string | undefined
}

/** Headers of the answer itself. Others belong to one request, such as its id and its limits. */
const storedHeaders: readonly string[] = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-location',
  'location',
  'preference-applied',
]

const reserveMsDefault = 30_000

export function createRunOnce(options: RunOnceOptions): RunOnce {
  return async (idempotency, work, { reserveMs = reserveMsDefault } = {}) => {
    if (idempotency === undefined) return work(undefined)
    const reserved = await reserve(options, idempotency, reserveMs)
    if ('replayed' in reserved) return reserved.replayed
    return runReserved(options, idempotency, reserved.reservation, work)
  }
}

/** What a request gets while another one holds its idempotency key. */
export function inFlight(): Refusal {
  return new Refusal('idempotency_in_flight', undefined, { headers: { 'retry-after': '1' } })
}

type Reserved = { readonly reservation: ReservationRecord } | { readonly replayed: PlainAnswer }

async function reserve(
  { store, seal, bounds, clock, reserver }: RunOnceOptions,
  idempotency: Idempotency,
  reserveMs: number,
): Promise<Reserved> {
  const now = clock()
  const id = seal.idOf(idempotency)
  const requestDigest = seal.digestOf(idempotency)
  const { owner } = idempotency
  const holder = reserver === undefined ? randomUUID() : `${reserver}:${randomUUID()}`
  const reservation = { id, owner, requestDigest, holder, until: now + reserveMs }
  const reserved = await store.reserve(reservation, now, bounds)
  if (reserved.outcome === 'reserved') return { reservation }
  if (reserved.outcome === 'answered')
    return { replayed: replayOf(seal.open({ ...reserved, id }, idempotency)) }
  if (reserved.outcome !== 'in_flight') throw storedBytesError(reserved.outcome, bounds)
  seal.checkRequest(reserved.requestDigest, idempotency)
  throw inFlight()
}

async function runReserved(
  { store, seal, telemetry }: RunOnceOptions,
  idempotency: Idempotency,
  { id, holder }: ReservationRecord,
  work: (reservation: Reservation) => Promise<PlainAnswer>,
): Promise<PlainAnswer> {
  let isCommitted = false
  const origin = { requestId: idempotency.requestId ?? null, trace: undefined }
  const sealed = (answer: PlainAnswer): ReservedAnswer => ({
    ...seal.seal(idempotency, JSON.stringify({ ...answer, headers: pickStored(answer.headers) })),
    holder,
  })
  const release = (): Promise<void> =>
    store
      .release({ id, holder })
      .catch((fault: unknown) => telemetry.event('idempotency.release_failed', {}, fault, origin))
  try {
    const answer = await work({
      seal(committed) {
        isCommitted = true
        return sealed(committed)
      },
    })
    if (isCommitted) return answer
    if (answer.status < 200 || answer.status > 299) await release()
    // False if the work outlasted its reservation: another request may have run. This one did, too.
    else await store.storeAnswer(sealed(answer))
    return answer
  } catch (thrown) {
    await release()
    throw thrown
  }
}

function replayOf(text: string): PlainAnswer {
  const stored = JSON.parse(text) as PlainAnswer
  return { ...stored, headers: { ...stored.headers, 'idempotency-replayed': 'true' } }
}

function pickStored(headers: PlainAnswer['headers']): PlainAnswer['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => storedHeaders.includes(name)))
}
