import { Refusal } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { InvalidKeyReason } from '../keys/verify-key.ts'
import type { BadKeyLimiter } from '../limits/bad-key-limiter.ts'
import { secondsOf } from '../limits/limit-headers.ts'
import type { Scheme } from './scheme.ts'
import { csrfHeader } from './session.ts'

/** The refusals of a request whose key is missing or wrong. */
export interface KeyRefusals {
  readonly ambiguous: Refusal
  readonly missing: Refusal
  readonly csrfMissing: Refusal
  /** Counts a wrong key against its address, which may be refused for that alone. */
  readonly invalid: (reason: InvalidKeyReason, head: RequestHead) => Refusal
}

export interface KeyRefusalsOptions {
  readonly schemes: readonly Scheme[]
  readonly badKeyLimiter: BadKeyLimiter
  /** Names the protected space in challenges (RFC 9110 §11.5). */
  readonly realm: string
  /** The status of a wrong key: FastAPI's 403, or 401 with a challenge. */
  readonly invalidKeyStatus: 401 | 403
}

/** Makes them once: an attacker's flood then costs no stack traces. */
export function createKeyRefusals(options: KeyRefusalsOptions): KeyRefusals {
  const { schemes, badKeyLimiter, realm, invalidKeyStatus } = options
  const challenges = [...new Set(schemes.map((scheme) => `${scheme.challenge} realm="${realm}"`))]
  const headers = { 'www-authenticate': challenges.join(', ') }
  const status = invalidKeyStatus === 401 ? ({ status: 401, headers } as const) : {}
  const invalid: Readonly<Record<InvalidKeyReason, Refusal>> = {
    malformed: new Refusal('key_invalid', undefined, { reason: 'malformed', ...status }),
    unknown: new Refusal('key_invalid', undefined, { reason: 'unknown', ...status }),
    wrong_secret: new Refusal('key_invalid', undefined, { reason: 'wrong_secret', ...status }),
  }
  return {
    ambiguous: new Refusal('key_ambiguous'),
    missing: new Refusal('key_missing', undefined, { headers }),
    csrfMissing: new Refusal('forbidden', `A request by session cookie needs the header \`${csrfHeader}\`.`, {
      reason: 'csrf',
    }),
    invalid(reason, head) {
      const waitMs = badKeyLimiter.count(head.address)
      if (waitMs === undefined) return invalid[reason]
      const retry = { 'retry-after': `${secondsOf(waitMs)}` }
      return new Refusal('too_many_bad_keys', undefined, { headers: retry, reason })
    },
  }
}
