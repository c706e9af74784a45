import { calendarSpanOf } from './calendar.ts'
import type { Limit } from './limit.ts'
import type { LimitFields, LimitState, LimitUse } from './limiter.ts'

/** The names of all headers that tell how limits stand, in lower case. */
export const limitHeaderNames = [
  'ratelimit-policy',
  'ratelimit',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
] as const

const noHeaders: Readonly<Record<string, string>> = {}

/**
 * The status of a request's limits as headers: `RateLimit-Policy` and `RateLimit`
 * (draft-ietf-httpapi-ratelimit-headers, structured fields of RFC 9651), and for the limit on
 * requests, and the one on tokens, that is nearest to its end what OpenAI's clients read. Limits in
 * shadow are left out.
 *
 * @param at milliseconds since the epoch
 */
export function limitHeaders(states: readonly LimitState[], at: number): Readonly<Record<string, string>> {
  let policies = ''
  let statuses = ''
  let requests: LimitState | undefined
  let tokens: LimitState | undefined
  for (const state of states) {
    const { use, remaining } = state
    if (use.isShadow) continue
    const comma = policies === '' ? '' : ', '
    policies += comma + policyOf(use, at)
    statuses += comma + use.fields.status + statusOf(state)
    const { measure } = use.limit
    if (measure === 'requests' && (requests === undefined || remaining < requests.remaining)) requests = state
    if (measure === 'tokens' && (tokens === undefined || remaining < tokens.remaining)) tokens = state
  }
  if (policies === '') return noHeaders
  const headers: Record<string, string> = { 'ratelimit-policy': policies, ratelimit: statuses }
  if (requests !== undefined) {
    headers['x-ratelimit-limit-requests'] = requests.use.fields.amount
    headers['x-ratelimit-remaining-requests'] = `${requests.remaining}`
    headers['x-ratelimit-reset-requests'] = `${secondsOf(requests.freesInMs)}s`
  }
  if (tokens !== undefined) {
    headers['x-ratelimit-limit-tokens'] = tokens.use.fields.amount
    headers['x-ratelimit-remaining-tokens'] = `${tokens.remaining}`
    headers['x-ratelimit-reset-tokens'] = `${secondsOf(tokens.freesInMs)}s`
  }
  return headers
}

/** Whole seconds after which so many milliseconds have surely passed. */
export function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000)
}

/** Made once for each limit of a key in the cache, not for each request. */
export function limitFieldsOf(policy: string, limit: Limit): LimitFields {
  const amount = `${limit.amount}`
  return { policy: `"${policy}";q=${amount}${windowOf(limit)}`, status: `"${policy}";r=`, amount }
}

/** Days of the calendar are of one length in UTC; months are not. */
function windowOf(limit: Limit): string {
  if (limit.kind === 'window') return `;w=${secondsOf(limit.windowMs)}`
  return limit.kind === 'calendar' && limit.period === 'day' ? ';w=86400' : ''
}

function policyOf({ fields, limit }: LimitUse, at: number): string {
  if (limit.kind !== 'calendar' || limit.period === 'day') return fields.policy
  const { beginsAt, endsAt } = calendarSpanOf(limit.period, at)
  return `${fields.policy};w=${secondsOf(endsAt - beginsAt)}`
}

function statusOf({ use, remaining, freesInMs }: LimitState): string {
  return use.limit.kind === 'concurrent' ? `${remaining}` : `${remaining};t=${secondsOf(freesInMs)}`
}
