import { calendarSpanOf } from './calendar.ts'
import type { Limit } from './limit.ts'
import type { LimitState } from './limiter.ts'

/**
 * The status of a request's limits as headers: `RateLimit-Policy` and `RateLimit`
 * (draft-ietf-httpapi-ratelimit-headers, structured fields of RFC 9651), and for the limit on
 * requests that is nearest to its end what OpenAI's clients read. Limits in shadow are left out.
 *
 * @param at milliseconds since the epoch
 */
export function limitHeaders(states: readonly LimitState[], at: number): Readonly<Record<string, string>> {
  const policies: string[] = []
  const statuses: string[] = []
  let nearest: LimitState | undefined
  for (const state of states) {
    const { use, remaining, freesInMs } = state
    if (use.isShadow) continue
    policies.push(`"${use.policy}";q=${use.limit.amount}${windowOf(use.limit, at)}`)
    statuses.push(
      `"${use.policy}";r=${remaining}${use.limit.kind === 'concurrent' ? '' : `;t=${secondsOf(freesInMs)}`}`,
    )
    if (use.limit.measure === 'requests' && (nearest === undefined || remaining < nearest.remaining))
      nearest = state
  }
  if (policies.length === 0) return {}
  return {
    'ratelimit-policy': policies.join(', '),
    ratelimit: statuses.join(', '),
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

function windowOf(limit: Limit, at: number): string {
  if (limit.kind === 'concurrent') return ''
  if (limit.kind === 'window') return `;w=${secondsOf(limit.windowMs)}`
  const { beginsAt, endsAt } = calendarSpanOf(limit.period, at)
  return `;w=${secondsOf(endsAt - beginsAt)}`
}
