import { createHash, createHmac } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import type { IdempotentAnswer } from '../core/key-store.ts'
import { Refusal } from '../core/refusal.ts'
import type { Peppers } from './pepper.ts'
import { openBytes, sealBytes } from './sealed-bytes.ts'

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
  readonly open: (kept: IdempotentAnswer, idempotency: Idempotency) => string
  /** The name that an answer is kept under. */
  readonly idOf: (idempotency: Idempotency) => string
}

export function createAnswerSeal(peppers: Peppers, clock: Clock): AnswerSeal {
  const root = peppers.derive('idempotent answers v1')
  function mac(purpose: string, { owner, key }: Idempotency): Buffer {
    // Lengths first, so that no two pairs of owner and key read the same.
    return createHmac('sha256', root).update(`${purpose}:${owner.length}:${owner}:${key}`).digest()
  }
  const idOf = (idempotency: Idempotency): string => mac('id', idempotency).toString('base64url')
  return {
    idOf,
    seal(idempotency, answer) {
      const id = idOf(idempotency)
      const sealed = sealBytes(mac('seal', idempotency), Buffer.from(answer), id)
      return { id, requestDigest: digestOf(idempotency.request), sealed, expiresAt: clock() + idempotencyMs }
    },
    open(kept, idempotency) {
      if (kept.requestDigest !== digestOf(idempotency.request)) throw new Refusal('idempotency_mismatch')
      return openBytes(mac('seal', idempotency), kept.sealed, kept.id).toString()
    },
  }
}

function digestOf(request: unknown): string {
  return createHash('sha256').update(JSON.stringify(request)).digest('base64url')
}
