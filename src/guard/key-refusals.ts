import { Refusal } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { InvalidKeyReason } from '../keys/verify/verify-key.ts'
import type { BadKeyLimiter } from '../limits/bad-key-limiter.ts'
import { secondsOf } from '../limits/limit-headers.ts'
import type { Scheme, SchemeDescription } from './scheme.ts'
import { csrfHeader } from './session.ts'

/** The refusals of a request whose key is missing or wrong. */
export interface KeyRefusals {
  readonly ambiguous: Refusal
  /** Says where the key goes, to a caller who has sent one where no scheme reads it. */
  readonly missing: (head: RequestHead) => Refusal
  readonly csrfMissing: Refusal
  /** Counts a wrong key against its address, which may be refused for that alone. */
  readonly invalid: (reason: InvalidKeyReason, head: RequestHead) => Refusal
  /**
   * Why a key whose secret was proven is not active. One that is revoked or has expired for good
   * counts as a wrong key.
   */
  readonly inactive: (refusal: Refusal, head: RequestHead) => Refusal
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
  const challenges = [...new Set(schemes.map((scheme) => challengeOf(scheme, realm)))]
  const headers = { 'www-authenticate': challenges.join(', ') }
  const status = invalidKeyStatus === 401 ? ({ status: 401, headers } as const) : {}
  const invalid: Readonly<Record<InvalidKeyReason, Refusal>> = {
    malformed: new Refusal('key_invalid', undefined, { reason: 'malformed', ...status }),
    unknown: new Refusal('key_invalid', undefined, { reason: 'unknown', ...status }),
    wrong_secret: new Refusal('key_invalid', undefined, { reason: 'wrong_secret', ...status }),
  }
  const missing = new Refusal('key_missing', undefined, { headers })
  const places = [...new Set(schemes.map(({ description }) => placeOf(description)))].join(' or ')
  const misplaced = new Refusal('key_missing', `Not authenticated. Send the API key in ${places}.`, {
    headers,
  })
  /** Counts a wrong key; the refusal of an address that sent too many. */
  function tooMany(reason: string, head: RequestHead): Refusal | undefined {
    const waitMs = badKeyLimiter.count(head.address)
    if (waitMs === undefined) return undefined
    const retry = { 'retry-after': `${secondsOf(waitMs)}` }
    return new Refusal('too_many_bad_keys', undefined, { headers: retry, reason })
  }

  return {
    ambiguous: new Refusal('key_ambiguous'),
    missing: (head) => (sentElsewhere(head) ? misplaced : missing),
    csrfMissing: new Refusal('forbidden', `A request by session cookie needs the header \`${csrfHeader}\`.`, {
      reason: 'csrf',
    }),
    invalid: (reason, head) => tooMany(reason, head) ?? invalid[reason],
    inactive: (refusal, head) =>
      endedCodes.has(refusal.code) ? (tooMany(refusal.code, head) ?? refusal) : refusal,
  }
}

/** Of keys that no administrator's `enable` and no passing time makes right. */
const endedCodes: ReadonlySet<string> = new Set(['key_revoked', 'key_expired'])

/** A challenge names the header, cookie or parameter that the key goes into. */
function challengeOf({ challenge, description }: Scheme, realm: string): string {
  const where = description.type === 'apiKey' ? `, ${description.in}="${encodeName(description.name)}"` : ''
  return `${challenge} realm="${realm}"${where}`
}

/** A query parameter may have any name; a header field may not have every character in it. */
function encodeName(name: string): string {
  return name.replace(/[^\x21\x23-\x5b\x5d-\x7e]+/g, encodeURIComponent)
}

function placeOf(description: SchemeDescription): string {
  if (description.type === 'http') return '`Authorization: Bearer`'
  const kinds = { header: 'header', cookie: 'cookie', query: 'query parameter' }
  return `the ${kinds[description.in]} \`${description.name}\``
}

/** What clients call a key in the query. */
const keyInQuery = /(?:^|&)(?:(?:x-)?api[_-]?key|key|access_token|token)=[^&]/i
/** So much of a query is looked at: reading all of a long one costs more than the refusal. */
const queryLookedAt = 1_024

/** Whether a request in which no scheme found a key has a bearer token, or a key in the query. */
function sentElsewhere(head: RequestHead): boolean {
  if (head.headerValues('authorization').some((line) => /^\s*bearer\s+\S/i.test(line))) return true
  return keyInQuery.test((head.query ?? '').slice(0, queryLookedAt))
}
