import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { hash } from '../core/hash.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { KeyRecord, SecretRecord } from '../keys/record/key-record.ts'
import { cookieValues } from './scheme.ts'

/** Name of the cookie that a browser's session travels in. */
export const sessionCookie = 'modelward_session'

/**
 * The header that a session's requests to the admin API carry: other sites cannot set it without
 * being asked (OWASP, custom request headers).
 */
export const csrfHeader = 'x-modelward-csrf'

/** Whether a request carries the CSRF header, with anything in it. */
export function hasCsrfHeader(request: RequestHead): boolean {
  return request.headerValues(csrfHeader).some((value) => value.trim() !== '')
}

/** How long a session lasts, in milliseconds: 12 hours. */
export const sessionMs: number = 12 * 3_600_000

/**
 * Sessions of browsers: a signed statement of which key signed in, by which of its secrets, until
 * when. It holds nothing secret, needs no table, survives a restart, and ends with the key, the
 * secret or the time, whichever is first.
 */
export interface Sessions {
  /** The cookie's value for a key that was just verified. */
  readonly issue: (record: KeyRecord, secret: SecretRecord, now: number) => string
  /** What a request's session says, if its signature is right and its time is not over. */
  readonly read: (request: RequestHead, now: number) => SessionClaim | undefined
  /** The secret that signed in, if the key still has it. */
  readonly findSecret: (record: KeyRecord, claim: SessionClaim) => SecretRecord | undefined
}

export interface SessionClaim {
  readonly keyId: string
  /** Digest of the secret's digest: says which secret, and nothing about it. */
  readonly secretTag: string
}

/** Sessions signed with this key, which is derived from the pepper. */
export function createSessions(key: KeyObject): Sessions {
  function sign(payload: string): Buffer {
    return createHmac('sha256', key).update(payload).digest()
  }
  return {
    issue(record, secret, now) {
      const payload = `${record.id}.${tagOf(secret)}.${now + sessionMs}`
      return `${payload}.${sign(payload).toString('base64url')}`
    },
    read(request, now) {
      const [token, second] = cookieValues(request, sessionCookie)
      if (token === undefined || second !== undefined) return undefined
      const [, payload, keyId, secretTag, endsAt, signature] =
        /^(([0-9A-Za-z]{12})\.([0-9A-Za-z_-]{22})\.(\d{1,16}))\.([0-9A-Za-z_-]{43})$/.exec(token) ?? []
      if (payload === undefined || keyId === undefined || secretTag === undefined) return undefined
      if (!timingSafeEqual(Buffer.from(signature ?? '', 'base64url'), sign(payload))) return undefined
      return now < Number(endsAt) ? { keyId, secretTag } : undefined
    },
    findSecret: (record, claim) => record.secrets.find((secret) => tagOf(secret) === claim.secretTag),
  }
}

function tagOf(secret: SecretRecord): string {
  return hash('sha256', secret.digest, 'base64url').slice(0, 22)
}
