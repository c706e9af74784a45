import { createHmac } from 'node:crypto'
import { Refusal } from '../core/refusal.ts'
import type { Clock } from '../core/time.ts'
import type { Peppers } from '../secrets/peppers.ts'
import { openBytes, sealBytes } from '../secrets/sealed-bytes.ts'
import type { StoredAnswer } from './idempotency-store.ts'

/** Identifies a request and its retries (draft-ietf-httpapi-idempotency-key-header). */
export interface Idempotency {
  /** The owner of the API key that asks: each owner has idempotency keys of their own. */
  readonly owner: string
  /** The idempotency key: 1 to 255 visible ASCII characters. */
  readonly key: string
  /** The request as sent; anything JSON can write. A retry must send the same. */
  readonly request: unknown
  /** `request` as JSON, where it has been written already: of megabytes that takes long. */
  readonly requestText?: string
  /** The id that the answer carries, for the operator. @default none is named */
  readonly requestId?: string
}

/** How long an answer is stored for retries, in milliseconds: 24 hours. */
const idempotencyMs: number = 24 * 3_600_000

/**
 * Seals answers for retries. An answer may contain a new key's text, so it is encrypted
 * (AES-256-GCM) under a key derived from the pepper and the idempotency key: neither the database
 * nor the database with the pepper opens it.
 */
export interface AnswerSeal {
  readonly seal: (idempotency: Idempotency, answer: string) => StoredAnswer
  /** The stored answer's text. Refuses another request with `idempotency_mismatch`. */
  readonly open: (stored: Omit<StoredAnswer, 'expiresAt'>, idempotency: Idempotency) => string
  /** The id that an answer is stored under. */
  readonly idOf: (idempotency: Idempotency) => string
  /** Digest of the request, keyed as the seal: a short input could be guessed from a plain one. */
  readonly digestOf: (idempotency: Idempotency) => string
  /** Refuses with `idempotency_mismatch` unless the digest is of this request. */
  readonly checkRequest: (requestDigest: string, idempotency: Idempotency) => void
}

/** @param purpose what the answers are about: an answer of one purpose opens under no other */
export function createAnswerSeal(
  peppers: Peppers,
  clock: Clock,
  purpose: 'idempotent answers v1' | 'idempotent predictions v1' = 'idempotent answers v1',
): AnswerSeal {
  const root = peppers.derive(purpose)
  function mac(use: string, { owner, key }: Idempotency): Buffer {
    // The length first, so that no two pairs of owner and key give the same text.
    return createHmac('sha256', root).update(`${use}:${owner.length}:${owner}:${key}`).digest()
  }
  const idOf = (idempotency: Idempotency): string => mac('id', idempotency).toString('base64url')
  /** Each is asked for up to three times. */
  const digests = new WeakMap<Idempotency, string>()
  function digestOf(idempotency: Idempotency): string {
    const known = digests.get(idempotency)
    if (known !== undefined) return known
    const { request, requestText = JSON.stringify(request) } = idempotency
    const digest = createHmac('sha256', mac('request', idempotency)).update(requestText).digest('base64url')
    digests.set(idempotency, digest)
    return digest
  }
  function checkRequest(requestDigest: string, idempotency: Idempotency): void {
    if (requestDigest !== digestOf(idempotency)) throw new Refusal('idempotency_mismatch')
  }
  return {
    idOf,
    digestOf,
    checkRequest,
    seal(idempotency, answer) {
      const id = idOf(idempotency)
      const sealed = sealBytes(mac('seal', idempotency), Buffer.from(answer), id)
      return { id, requestDigest: digestOf(idempotency), sealed, expiresAt: clock() + idempotencyMs }
    },
    open(stored, idempotency) {
      checkRequest(stored.requestDigest, idempotency)
      return openBytes(mac('seal', idempotency), stored.sealed, stored.id).toString()
    },
  }
}
