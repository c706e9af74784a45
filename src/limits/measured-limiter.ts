import type { LimiterBackend, Measures } from '../telemetry/measures.ts'
import type { Limiter } from './limiter.ts'

/** Measures how long a limiter takes, and how often it cannot. */
export function measureLimiter<L extends Limiter>(
  limiter: L,
  backend: LimiterBackend,
  measures: Measures,
): L {
  if (!measures.isOn) return limiter
  const take: Limiter['take'] = (uses) => {
    const begunAt = performance.now()
    const tell = (hasFailed: boolean): void =>
      measures.limiterCall(backend, performance.now() - begunAt, hasFailed)
    const taking = limiter.take(uses)
    if (taking instanceof Promise)
      taking.then(
        () => tell(false),
        () => tell(true),
      )
    else tell(false)
    return taking
  }
  return { ...limiter, take }
}
