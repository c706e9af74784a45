import { problemOf } from '../../core/problem.ts'
import type { Problem, RefusalCode } from '../../core/refusal.ts'
import type { Caller } from '../../guard/caller.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import type { Verdict } from '../../guard/verdict.ts'
import { isoTime } from '../../keys/record/views.ts'
import { statesOf } from '../../limits/limit-refusals.ts'
import { type LimitView, viewLimit } from '../../limits/limit-view.ts'

/** The verdict on a key. Until its secret has matched, all that tells whose it is is null. */
export interface VerifyAnswer {
  readonly valid: boolean
  readonly code: RefusalCode | null
  readonly status: number
  readonly detail: string | null
  readonly key_id: string | null
  readonly name: string | null
  readonly owner: string | null
  readonly environment: Caller['environment'] | null
  readonly scopes: readonly string[] | null
  readonly metadata: Readonly<Record<string, unknown>> | null
  readonly expires_at: string | null
  readonly limits: readonly LimitView[] | null
  readonly retry_after: number | null
  readonly headers: Readonly<Record<string, string>>
  readonly problem: Problem | null
  readonly request_id: string
}

/** The verdict as it is answered; what a client is to be told is ready to be handed on. */
export function viewVerdict(verdict: Verdict, { id, expiresAt }: Exchange): VerifyAnswer {
  if (verdict.admitted)
    return {
      valid: true,
      code: null,
      status: 200,
      detail: null,
      ...identityOf(verdict.caller, expiresAt),
      limits: verdict.usage.states.map(viewLimit),
      retry_after: null,
      headers: asWritten(verdict.usage.headers),
      problem: null,
      request_id: id,
    }
  const { refusal } = verdict
  const { status, headers, body } = problemOf(refusal, id)
  const { 'retry-after': retryAfter } = headers
  return {
    valid: false,
    code: refusal.code,
    status,
    detail: refusal.message,
    ...identityOf(verdict.caller, expiresAt),
    limits: statesOf(refusal)?.map(viewLimit) ?? null,
    retry_after: retryAfter === undefined ? null : Number(retryAfter),
    headers: asWritten(headers),
    problem: body,
    request_id: id,
  }
}

type Identity = Pick<
  VerifyAnswer,
  'key_id' | 'name' | 'owner' | 'environment' | 'scopes' | 'metadata' | 'expires_at'
>

const unknown: Identity = {
  key_id: null,
  name: null,
  owner: null,
  environment: null,
  scopes: null,
  metadata: null,
  expires_at: null,
}

function identityOf(caller: Caller | undefined, expiresAt: number | null): Identity {
  if (caller === undefined) return unknown
  const { keyId, name, owner, environment, scopes, metadata } = caller
  const expires = expiresAt === null ? null : isoTime(expiresAt)
  return { key_id: keyId, name, owner, environment, scopes, metadata, expires_at: expires }
}

const writtenNames = new Map<string, string>()

/** Headers by the names that people write: those that the guard gives, which are few. */
function asWritten(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const written: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) written[writtenName(name)] = value
  return written
}

function writtenName(name: string): string {
  const known = writtenNames.get(name)
  if (known !== undefined) return known
  const capitals = name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase())
  const written = capitals.replace('Ratelimit', 'RateLimit').replace(/^Www-/, 'WWW-')
  writtenNames.set(name, written)
  return written
}
