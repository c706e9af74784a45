import type { FaultCode } from '../../core/fault.ts'
import { type Problem, Refusal, type RefusalCode, refusals } from '../../core/refusal.ts'
import { refusingMeasureOf } from '../../limits/limit-refusals.ts'

/** What the dialects call an error. */
export interface ErrorWords {
  /** OpenAI's `type`. */
  readonly openai: string
  /** OpenAI's `code`. @default ours */
  readonly openaiCode?: string
  /** Anthropic's `type`. */
  readonly anthropic: string
}

/** Of an error that the table below does not have, by its status. */
const callersError: ErrorWords = { openai: 'invalid_request_error', anthropic: 'invalid_request_error' }
const unavailable: ErrorWords = { openai: 'server_error', anthropic: 'overloaded_error' }
const ourError: ErrorWords = { openai: 'server_error', anthropic: 'api_error' }

const badKey: ErrorWords = {
  openai: 'invalid_request_error',
  openaiCode: 'invalid_api_key',
  anthropic: 'authentication_error',
}
const denied: ErrorWords = { openai: 'invalid_request_error', anthropic: 'permission_error' }
const limited: ErrorWords = {
  openai: 'requests',
  openaiCode: 'rate_limit_exceeded',
  anthropic: 'rate_limit_error',
}

const words: { readonly [Code in RefusalCode]?: ErrorWords } = {
  key_missing: badKey,
  key_invalid: badKey,
  key_expired: badKey,
  key_revoked: badKey,
  key_disabled: badKey,
  key_not_yet_valid: badKey,
  scope_missing: denied,
  address_denied: denied,
  forbidden: denied,
  route_closed: denied,
  model_not_found: { openai: 'invalid_request_error', anthropic: 'not_found_error' },
  rate_limited: limited,
  concurrency_limited: limited,
  too_many_bad_keys: limited,
  quota_exhausted: {
    openai: 'insufficient_quota',
    openaiCode: 'insufficient_quota',
    anthropic: 'rate_limit_error',
  },
}

/** Whether the key itself is at fault: 401 in every dialect, also where `/predict` answers 403. */
export function isOfKey(code: RefusalCode | FaultCode): boolean {
  return wordsOfCode(code) === badKey
}

/** What the dialects call a refusal or a fault. */
export function wordsOf(thrown: Error, { code, status }: Pick<Problem, 'code' | 'status'>): ErrorWords {
  const known = wordsOfCode(code)
  if (known === limited && thrown instanceof Refusal && countsTokens(thrown))
    return { ...limited, openai: 'tokens' }
  if (known !== undefined) return known
  if (status < 500) return callersError
  return status === 503 ? unavailable : ourError
}

function wordsOfCode(code: RefusalCode | FaultCode): ErrorWords | undefined {
  return code in refusals ? words[code as RefusalCode] : undefined
}

const measuresOfTokens: readonly string[] = ['tokens', 'prompt_tokens', 'completion_tokens']

function countsTokens(refusal: Refusal): boolean {
  return measuresOfTokens.includes(refusingMeasureOf(refusal) ?? '')
}
