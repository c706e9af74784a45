import type { AppLimit, LimitedApp } from './limited-app.ts'

/**
 * What is right: the time of every admitted request is kept, and a request counts for every limit
 * or for none.
 */
export function openPlainList(limits: readonly AppLimit[]): LimitedApp {
  const admittedAt: number[] = []
  return {
    async ask() {
      const now = Date.now()
      const fits = limits.every(
        ({ amount, windowMs }) => admittedAt.filter((at) => at > now - windowMs).length < amount,
      )
      if (fits) admittedAt.push(now)
      return fits
    },
  }
}
