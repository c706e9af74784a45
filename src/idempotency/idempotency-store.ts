/**
 * Answers kept for whoever repeats a request with the same `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): beside the
 * jobs, so that a job and the answer that names it are one commit.
 */
export interface KeptAnswers {
  /**
   * Takes a name for a request that is about to be carried out. `taken` until `until` by a request that is still under way: its process may have
   * died, so the reservation ends by itself. `answered` where an answer is kept.
   *
   * A reservation is held by its holder from `reserve` until its answer is kept, it is released, or, once its time has ended (`until <= now`), somebody
   * else takes the name or it is forgotten. An answer that has expired is as good as none.
   */
  readonly reserve: (reservation: AnswerReservation, now: number) => Promise<ReserveOutcome>
  /** Keeps the answer of a reservation that is still held, durably; resolves to false where it is not held any more. */
  readonly keep: (answer: KeptAnswer) => Promise<boolean>
  /** Gives a name back whose request was refused or failed, so that a retry is carried out. Where it is not held, as where its answer is kept, nothing changes. */
  readonly release: (reservation: Pick<AnswerReservation, 'id' | 'holder'>) => Promise<void>
}

export interface AnswerReservation {
  /** Digest of who asks and the `Idempotency-Key` they sent, base64url. */
  readonly id: string
  /** Digest of what was asked, base64url: another request under the same name is refused. */
  readonly requestDigest: string
  /** Names this request: random. */
  readonly holder: string
  /** When the reservation ends, milliseconds since the epoch. */
  readonly until: number
}

/** An answer that is kept for a repeated request. */
export interface KeptAnswer {
  readonly id: string
  readonly requestDigest: string
  readonly holder: string
  /** The answer, sealed under a key derived from the pepper and the `Idempotency-Key`. */
  readonly sealed: Uint8Array
  /** When it is forgotten, milliseconds since the epoch. */
  readonly expiresAt: number
}

export type ReserveOutcome =
  | { readonly outcome: 'reserved' }
  | { readonly outcome: 'taken'; readonly requestDigest: string }
  | { readonly outcome: 'answered'; readonly requestDigest: string; readonly sealed: Uint8Array }

/** An answer kept for a retry, written in the same commit as the change it answers. */
export interface IdempotentAnswer {
  /** Digest of who asked and the `Idempotency-Key` they sent, base64url. */
  readonly id: string
  /** Digest of what was asked, base64url: another request under the same name is refused. */
  readonly requestDigest: string
  /** The answer, sealed: it may hold a new key's text. */
  readonly sealed: Uint8Array
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}
