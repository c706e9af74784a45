import { createHmac } from 'node:crypto'
import { Refusal } from '../core/refusal.ts'
import type { Clock } from '../core/time.ts'
import type { Peppers } from '../secrets/peppers.ts'
import { openBytes, sealBytes } from '../secrets/sealed-bytes.ts'
import type { IdempotentAnswer } from './idempotency-store.ts'

/** Says that a request is the same one again: who asks, and the `Idempotency-Key` they sent (draft-ietf-httpapi-idempotency-key-header). */
export interface Idempotency {
  /** Whose names these are: the owner of the asking key. */
  readonly owner: string
  /** 1 to 255 visible ASCII characters. */
  readonly key: string
  /** What was asked, as sent; anything JSON can write. A retry must ask the same. */
  readonly request: unknown
}

/** How long an answer is kept for a retry, in milliseconds: 24 hours. */
const idempotencyMs: number = 24 * 3_600_000

/**
 * Keeps answers for retries. An answer may hold a new key's text, so it is sealed (AES-256-GCM) under a key that is derived
 * from the pepper and the `Idempotency-Key`: neither the database nor the database with the pepper opens it.
 */
export interface AnswerSeal {
  readonly seal: (idempotency: Idempotency, answer: string) => IdempotentAnswer
  /** The kept answer's text. Refuses with `idempotency_mismatch` where the request is another one. */
  readonly open: (kept: Omit<IdempotentAnswer, 'expiresAt'>, idempotency: Idempotency) => string
  /** The name that an answer is kept under. */
  readonly idOf: (idempotency: Idempotency) => string
  /** Digest of what was asked. Keyed as the seal is: a short input text could be guessed from a bare one. */
  readonly digestOf: (idempotency: Idempotency) => string
}

/** @param purpose what the answers are about: an answer of one purpose opens under no other */
export function createAnswerSeal(
  peppers: Peppers,
  clock: Clock,
  purpose: 'idempotent answers v1' | 'idempotent predictions v1' = 'idempotent answers v1',
): AnswerSeal {
  const root = peppers.derive(purpose)
  function mac(use: string, { owner, key }: Idempotency): Buffer {
    // Lengths first, so that no two pairs of owner and key read the same.
    return createHmac('sha256', root).update(`${use}:${owner.length}:${owner}:${key}`).digest()
  }
  const idOf = (idempotency: Idempotency): string => mac('id', idempotency).toString('base64url')
  const digestOf = (idempotency: Idempotency): string =>
    createHmac('sha256', mac('request', idempotency))
      .update(JSON.stringify(idempotency.request))
      .digest('base64url')
  return {
    idOf,
    digestOf,
    seal(idempotency, answer) {
      const id = idOf(idempotency)
      const sealed = sealBytes(mac('seal', idempotency), Buffer.from(answer), id)
      return { id, requestDigest: digestOf(idempotency), sealed, expiresAt: clock() + idempotencyMs }
    },
    open(kept, idempotency) {
      if (kept.requestDigest !== digestOf(idempotency)) throw new Refusal('idempotency_mismatch')
      return openBytes(mac('seal', idempotency), kept.sealed, kept.id).toString()
    },
  }
}
