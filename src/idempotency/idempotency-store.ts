import type { StoredBytesBounds, StoredBytesFull } from './stored-bytes.ts'

/**
 * An answer that is stored for retries of its request, in the same commit as what the request
 * changed. Whether the store is that of keys or of jobs, this is what it stores.
 */
export interface StoredAnswer {
  /** Digest of the owner and the idempotency key they sent, base64url. */
  readonly id: string
  /** Digest of the request, base64url: another request under the same key is refused. */
  readonly requestDigest: string
  /** The answer, sealed under a key derived from the pepper and the idempotency key. */
  readonly sealed: Uint8Array
  /** When it is deleted, milliseconds since the epoch. */
  readonly expiresAt: number
}

/** The answer of a request that runs under a reservation. */
export interface ReservedAnswer extends StoredAnswer {
  /** The reservation's holder. */
  readonly holder: string
}

/** Reserves an idempotency key for one request while it runs. */
export interface ReservationRecord extends Pick<StoredAnswer, 'id' | 'requestDigest'> {
  /** Whose bytes the reservation and its answer count as. */
  readonly owner: string
  /** Identifies this request: random. */
  readonly holder: string
  /** When the reservation ends, milliseconds since the epoch. */
  readonly until: number
}

/**
 * Reading stored answers, for a store that writes each with a change of one commit, as that of keys
 * does.
 */
export interface StoredAnswers {
  /** The answer stored under this id, unless it has expired by `now`. */
  readonly findAnswer: (id: string, now: number) => Promise<StoredAnswer | undefined>
}

/**
 * Reservations of idempotency keys, and the answers stored under them: the port of `runOnce`, which
 * the store of jobs implements and `test/contract/` checks.
 */
export interface IdempotencyStore {
  /**
   * Reserves an idempotency key for a request that is about to run. `in_flight`: another request
   * holds it. That one's process may have died, so a reservation ends by itself at `until`.
   * `answered`: its answer is stored. `bytes_full`, `owner_bytes_full`: as many bytes are stored as
   * `bounds` allows, so no answer would find room; one whose request runs always does.
   *
   * A request holds its reservation until its answer is stored, it releases it, or, once `until`
   * has passed (`until <= now`), another request reserves the key or the store deletes the
   * reservation. An expired answer counts as absent.
   */
  readonly reserve: (
    reservation: ReservationRecord,
    now: number,
    bounds: StoredBytesBounds,
  ) => Promise<ReserveOutcome>
  /** Stores the answer durably; resolves to false if its request no longer holds the key. */
  readonly storeAnswer: (answer: ReservedAnswer) => Promise<boolean>
  /**
   * Frees the key of a request that was refused or failed, so that a retry runs. Changes nothing
   * if the request does not hold it, as when its answer is stored.
   */
  readonly release: (reservation: Pick<ReservationRecord, 'id' | 'holder'>) => Promise<void>
  /**
   * Frees what a process left reserved that was killed, for the one that takes its place or knows
   * that it is gone.
   *
   * @param reserver of which there is one at a time: see `RunOnceOptions.reserver`
   */
  readonly releaseLeft: (reserver: string) => Promise<void>
}

export type ReserveOutcome =
  | { readonly outcome: 'reserved' | StoredBytesFull }
  | { readonly outcome: 'in_flight'; readonly requestDigest: string }
  | { readonly outcome: 'answered'; readonly requestDigest: string; readonly sealed: Uint8Array }
