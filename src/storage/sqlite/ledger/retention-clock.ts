import type { Clock } from '../../../core/time.ts'

export interface RetentionClockOptions {
  /** Milliseconds since the epoch; may jump. */
  readonly now: Clock
  /** Milliseconds from any moment on; never jumps. */
  readonly monotonic: Clock
  /** Told once of a jump forward, and how far it went, milliseconds. */
  readonly onJump: (distanceMs: number) => void
}

/** Clocks are set right in steps of this size, and retention need not be more exact. */
const toleranceMs = 60_000
/** How long a jump is doubted: long enough for someone to see the message and set the clock right. */
export const doubtedMs: number = 24 * 3_600_000

/**
 * The time that retention goes by, milliseconds since the epoch. One wrong jump of the system's clock must not drop all that there is: a
 * clock that leaps ahead is believed only once it has kept that for a day. One that leaps back is followed at once, since then less is
 * dropped; and when it comes back, that is no jump.
 */
export function createRetentionClock({ now, monotonic, onJump }: RetentionClockOptions): Clock {
  let anchor = { wall: now(), at: monotonic() }
  let strayedAt: number | undefined

  return () => {
    const wall = now()
    const at = monotonic()
    const expected = anchor.wall + (at - anchor.at)
    const distance = wall - expected
    const isSteady = strayedAt !== undefined && at - strayedAt >= doubtedMs
    if (Math.abs(distance) <= toleranceMs || isSteady) {
      anchor = { wall, at }
      strayedAt = undefined
      return wall
    }
    if (strayedAt === undefined) {
      strayedAt = at
      if (distance > 0) onJump(distance)
    }
    return Math.floor(Math.min(wall, expected))
  }
}
