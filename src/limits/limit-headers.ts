import { calendarSpanOf } from './calendar.ts'
import type { Limit } from './limit.ts'
import { scopeOf } from './limit-uses.ts'
import type { LimitState, LimitUse } from './limiter.ts'

const windowNames: Readonly<Record<number, string>> = {
  1000: 'second',
  60000: 'minute',
  3600000: 'hour',
  86400000: 'day',
}

/**
 * Tells how a request's limits stand: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers, structured fields of RFC
 * 9651), and for the limit on requests that is nearest to its end what OpenAI's clients read. Limits in shadow are not told.
 *
 * @param at milliseconds since the epoch
 */
export function limitHeaders(states: readonly LimitState[], at: number): Readonly<Record<string, string>> {
  const told = states.filter(({ use }) => !use.isShadow)
  if (told.length === 0) return {}
  const policies: string[] = []
  const standings: string[] = []
  let nearest: LimitState | undefined
  for (const state of told) {
    const { use, remaining, freesInMs } = state
    const name = policyNameOf(use)
    policies.push(`"${name}";q=${use.limit.amount}${windowOf(use.limit, at)}`)
    standings.push(
      `"${name}";r=${remaining}${use.limit.kind === 'concurrent' ? '' : `;t=${secondsOf(freesInMs)}`}`,
    )
    if (use.limit.measure === 'requests' && (nearest === undefined || remaining < nearest.remaining))
      nearest = state
  }
  return {
    'ratelimit-policy': policies.join(', '),
    ratelimit: standings.join(', '),
    ...(nearest && {
      'x-ratelimit-limit-requests': `${nearest.use.limit.amount}`,
      'x-ratelimit-remaining-requests': `${nearest.remaining}`,
      'x-ratelimit-reset-requests': `${secondsOf(nearest.freesInMs)}s`,
    }),
  }
}

/** Whole seconds after which so many milliseconds have surely passed. */
export function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000)
}

/** `minute` for a key's own limit on requests a minute; `owner-minute-tokens` for its owner's on tokens. */
function policyNameOf(use: LimitUse): string {
  const { limit } = use
  const scope = scopeOf(use)
  const parts = [
    ...(scope === 'key' ? [] : [scope]),
    spanNameOf(limit),
    ...(limit.measure === 'requests' || limit.kind === 'concurrent' ? [] : [limit.measure]),
  ]
  return parts.join('-')
}

function spanNameOf(limit: Limit): string {
  if (limit.kind === 'concurrent') return 'concurrent'
  if (limit.kind === 'calendar') return `calendar-${limit.period}`
  return windowNames[limit.windowMs] ?? limit.text.slice(limit.text.indexOf('/') + 1)
}

function windowOf(limit: Limit, at: number): string {
  if (limit.kind === 'concurrent') return ''
  if (limit.kind === 'window') return `;w=${secondsOf(limit.windowMs)}`
  const { beginsAt, endsAt } = calendarSpanOf(limit.period, at)
  return `;w=${secondsOf(endsAt - beginsAt)}`
}
