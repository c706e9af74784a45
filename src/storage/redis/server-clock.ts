/**
 * How far the server's clock is ahead of this process's steady one, as answers tell: a clock that
 * is set would open windows too early, or hold them closed for too long.
 */
export interface ServerClock {
  /** What the server's clock showed between two moments of the steady clock. */
  readonly note: (sentAt: number, answeredAt: number, time: number) => void
  /** What it may show while a call that is sent now is run. */
  readonly bounds: (now: number) => { readonly leastTime: number; readonly mostTime: number }
  /** Another server's, or one that was set. */
  readonly forget: () => void
}

/** What a clock may deviate before it counts as set. */
const toleratedMs = 1_000
/** Clocks drift against each other: 1 s in 1,000 s is more than any that is kept in step. */
const driftPerMs = 0.001
const rememberedMs = 10_000

/** @param deadlineMs the longest that a call takes */
export function createServerClock(deadlineMs: number): ServerClock {
  const unknown = {
    least: Number.NEGATIVE_INFINITY,
    most: Number.POSITIVE_INFINITY,
    since: Number.NEGATIVE_INFINITY,
  }
  let current = unknown
  let before = unknown
  let notedAt = 0
  return {
    note(sentAt, answeredAt, time) {
      if (answeredAt - current.since > rememberedMs) {
        before = current
        current = { ...unknown, since: answeredAt }
      }
      current = {
        since: current.since,
        least: Math.max(current.least, time - answeredAt),
        most: Math.min(current.most, time - sentAt),
      }
      notedAt = answeredAt
    },
    bounds(now) {
      const slack = toleratedMs + (now - notedAt) * driftPerMs
      return {
        leastTime: now + Math.max(current.least, before.least) - slack,
        mostTime: now + Math.min(current.most, before.most) + deadlineMs + slack,
      }
    },
    forget() {
      current = unknown
      before = unknown
    },
  }
}
