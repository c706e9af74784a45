import { processScheduler, type Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'

/** One outage, from its first failure to the end that is said. */
export interface OutageSpell {
  /** When it began: ISO 8601. */
  readonly since: string
  /** How often it was tried in vain since. */
  readonly attempts: number
}

export interface OutageTelling {
  /** When it begins, and each minute. */
  readonly begin: (spell: OutageSpell, cause: unknown) => void
  readonly end: (spell: OutageSpell) => void
}

export interface OutageTiming {
  /**
   * Milliseconds since the epoch; tells the minutes too: one that is set back brings a line early,
   * never none. @default Date.now
   */
  readonly clock?: Clock | undefined
  /** Says an end that has to wait. @default the process's own timers */
  readonly scheduler?: Pick<Scheduler, 'after'> | undefined
  /** Milliseconds without a failure until it is over: what is tried from many sides. @default 0 */
  readonly calmMs?: number | undefined
  /** Whether one that goes on is said again each minute. @default true */
  readonly isRepeated?: boolean | undefined
}

/** Tells of one thing that may be out, however often it is tried meanwhile. */
export interface OutageSpells {
  /** It could not be done. */
  readonly failed: (cause: unknown) => void
  /** It was done. */
  readonly passed: () => void
  /** Whether the last try failed. */
  readonly isOut: () => boolean
  /** Whether one was said to have begun, and not to be over. */
  readonly isTold: () => boolean
  /** Says nothing more by itself. */
  readonly stop: () => void
}

/** Between two lines about the same outage, and between two ends. */
const minuteMs = 60_000

/**
 * Says once that an outage began, once a minute that it goes on, and once that it is over. One that
 * comes back within a minute of the last end is over a minute after that at the earliest: what
 * comes and goes is one pair a minute, with `since` of the first failure, and no pair each time.
 */
export function createOutageSpells(telling: OutageTelling, timing: OutageTiming = {}): OutageSpells {
  const { clock = Date.now, scheduler = processScheduler, calmMs = 0, isRepeated = true } = timing
  let spell: { since: string; attempts: number; toldAt: number; failedAt: number } | undefined
  let endedAt: number | undefined
  let isOut = false
  let cancelEnd: (() => void) | undefined

  function stop(): void {
    cancelEnd?.()
    cancelEnd = undefined
  }

  function end(): void {
    stop()
    if (spell === undefined) return
    const { since, attempts } = spell
    spell = undefined
    endedAt = clock()
    telling.end({ since, attempts })
  }

  return {
    failed(cause) {
      isOut = true
      stop()
      const now = clock()
      const isNew = spell === undefined
      spell ??= { since: new Date(now).toISOString(), attempts: 0, toldAt: now, failedAt: now }
      spell.attempts += 1
      spell.failedAt = now
      if (!isNew && !(isRepeated && hasPassed(spell.toldAt, minuteMs, now))) return
      spell.toldAt = now
      telling.begin({ since: spell.since, attempts: spell.attempts }, cause)
    },
    passed() {
      isOut = false
      if (spell === undefined || cancelEnd !== undefined) return
      const now = clock()
      const untilCalm = leftOf(spell.failedAt, calmMs, now)
      const untilApart = endedAt === undefined ? 0 : leftOf(endedAt, minuteMs, now)
      const waitMs = Math.max(untilCalm, untilApart)
      if (waitMs === 0) end()
      else cancelEnd = scheduler.after(waitMs, end)
    },
    isOut: () => isOut,
    isTold: () => spell !== undefined,
    stop,
  }
}

/** Of a clock that was set back too. */
function hasPassed(since: number, ms: number, now: number): boolean {
  return now < since || now - since >= ms
}

function leftOf(since: number, ms: number, now: number): number {
  return hasPassed(since, ms, now) ? 0 : since + ms - now
}
