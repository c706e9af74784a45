import type { Clock } from '../../core/time.ts'

export interface RetentionClockOptions {
  /** Milliseconds since the epoch; may jump. */
  readonly now: Clock
  /** Milliseconds from any moment on; never jumps. */
  readonly monotonic: Clock
  /** Called once for a jump forward, with its distance in milliseconds. */
  readonly onJump: (distanceMs: number) => void
}

/** Clocks are corrected in steps of this size, and retention need not be more exact. */
const toleranceMs = 60_000
/** How long a jump is doubted: long enough to read the message and correct the clock. */
export const doubtedMs: number = 24 * 3_600_000

/**
 * The time that retention uses, milliseconds since the epoch. One wrong jump of the system's clock
 * must not drop every record: a clock that jumps ahead is believed only after a day. One that jumps
 * back is followed at once, since less is dropped then; its return is no jump.
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
