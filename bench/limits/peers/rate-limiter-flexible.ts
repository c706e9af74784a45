import { RateLimiterMemory, RateLimiterUnion } from 'rate-limiter-flexible'
import type { AppLimit, LimitedApp } from '../limited-app.ts'

export function openRateLimiterFlexible(limits: readonly AppLimit[]): LimitedApp {
  const limiters = limits.map(
    ({ amount, windowMs }) =>
      new RateLimiterMemory({ points: amount, duration: windowMs / 1_000, keyPrefix: `${windowMs}` }),
  )
  const [only, ...others] = limiters
  if (only === undefined) throw new Error('expected a limit')
  const limiter = others.length === 0 ? only : new RateLimiterUnion(...limiters)
  return {
    async ask() {
      try {
        await limiter.consume('caller')
        return true
      } catch (thrown) {
        // What it refuses it rejects with figures, and not with an error.
        if (thrown instanceof Error) throw thrown
        return false
      }
    },
  }
}
