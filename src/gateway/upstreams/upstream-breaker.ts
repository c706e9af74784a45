import { type Breaker, createBreaker } from '../../core/breaker.ts'
import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { UpstreamSettings } from '../gateway-settings.ts'

/** A breaker that tells the operator how an upstream stands. */
export interface UpstreamBreaker extends Breaker {
  /** Why it may open next, for the event. */
  readonly because: (problem: string) => void
}

/** Between two events of one outage. */
const againMs = 60_000

/** One event as it opens, one a minute at most while tries fail, one as it closes. */
export function createUpstreamBreaker(
  { name, breaker: options }: Pick<UpstreamSettings, 'name' | 'breaker'>,
  telemetry: Telemetry,
  monotonic: Clock,
): UpstreamBreaker {
  let problem: string | undefined
  let toldAt = Number.NEGATIVE_INFINITY

  const breaker = createBreaker(options, (change) => {
    if (change === 'closed') {
      telemetry.event('upstream.closed', { upstream: name })
      return
    }
    const now = monotonic()
    if (change === 'opened again' && now - toldAt < againMs) return
    toldAt = now
    telemetry.event('upstream.opened', { upstream: name }, problem)
  })
  return {
    ...breaker,
    because(found) {
      problem = found
    },
  }
}
