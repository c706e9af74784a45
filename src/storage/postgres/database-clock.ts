import { every, processScheduler, type Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import { noTelemetry, type Telemetry } from '../../telemetry/telemetry.ts'
import type { Postgres } from './postgres.ts'

/** SQL: the database's time, milliseconds since the epoch. */
export const databaseNow = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

/** The database's time, which all nodes share, without asking for it each time. */
export interface DatabaseClock {
  /** Whole milliseconds since the epoch. Never goes backwards. */
  readonly clock: Clock
  /** Measures now. Rejects with `store_unavailable`; the clock then goes on by itself. */
  readonly measure: () => Promise<void>
  /**
   * How far this machine's clock is ahead of the database's, milliseconds; undefined until it was
   * measured.
   */
  readonly skewMs: () => number | undefined
  /** Whether the two are more than a minute apart: then the node is not ready. */
  readonly isFarOff: () => boolean
  readonly stop: () => void
}

export interface DatabaseClockOptions {
  readonly postgres: Pick<Postgres, 'query'>
  /** This machine's clock. @default Date.now */
  readonly wall?: Clock | undefined
  /** Never jumps. @default performance.now */
  readonly monotonic?: Clock | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
  /** @default none */
  readonly telemetry?: Telemetry | undefined
}

/** Milliseconds between two measurements. */
const measureMs = 1_000
/** Skew that is reported, and at which a node is not ready. Milliseconds. */
const reportedMs = 1_000
const farOffMs = 60_000
/** What the clock catches up of the time that passes, or lets pass. */
const slewRate = 0.5
/** Milliseconds that it is behind at which it leaps: this machine slept, and keys have expired. */
const leapMs = 1_000

/**
 * Opens the clock with a first measurement; where that fails it begins as this machine's clock, and
 * measures each second.
 */
export async function openDatabaseClock(options: DatabaseClockOptions): Promise<DatabaseClock> {
  const { postgres, wall = Date.now, monotonic = () => performance.now() } = options
  const { scheduler = processScheduler, telemetry = noTelemetry } = options
  const slewed = createSlewedClock(monotonic, wall() - monotonic())
  let skew: number | undefined
  let isReported = false
  let isMeasuring = false

  async function measure(): Promise<void> {
    const began = { wall: wall(), monotonic: monotonic() }
    const [row] = await postgres.query<{ readonly now: number }>(`SELECT ${databaseNow} AS now`)
    if (row === undefined) return
    const half = (monotonic() - began.monotonic) / 2
    slewed.measured(row.now - began.monotonic - half, half)
    skew = Math.round((began.wall + wall()) / 2 - row.now)
    report(skew)
  }

  function report(ms: number): void {
    // Twice as close before it counts as right again: a clock at the bound is one event.
    const isOff = Math.abs(ms) > (isReported ? reportedMs / 2 : reportedMs)
    if (isOff && !isReported) telemetry.event('node.clock_off', { milliseconds: ms })
    if (!isOff && isReported) telemetry.event('node.clock_right', {})
    isReported = isOff
  }

  async function measureAgain(): Promise<void> {
    if (isMeasuring) return
    isMeasuring = true
    // A store that is out is reported where it is missed; here the clock goes on.
    await measure().catch(() => undefined)
    isMeasuring = false
  }

  await measureAgain()
  const stop = every(scheduler, measureMs, () => void measureAgain())
  return {
    clock: slewed.clock,
    measure,
    skewMs: () => skew,
    isFarOff: () => skew !== undefined && Math.abs(skew) > farOffMs,
    stop,
  }
}

interface SlewedClock {
  readonly clock: Clock
  /**
   * @param offset of the right time to the monotonic clock, milliseconds
   * @param margin how wrong it may be: half of a round trip, milliseconds
   */
  readonly measured: (offset: number, margin: number) => void
}

function createSlewedClock(monotonic: Clock, begin: number): SlewedClock {
  let offset = begin
  let goal: number | undefined
  let movedAt = monotonic()
  let isRead = false

  function move(): void {
    const now = monotonic()
    const most = (now - movedAt) * slewRate
    const missing = (goal ?? offset) - offset
    movedAt = now
    offset += missing > leapMs ? missing : Math.max(-most, Math.min(most, missing))
  }

  return {
    clock() {
      isRead = true
      move()
      return Math.floor(movedAt + offset)
    },
    measured(target, margin) {
      move()
      // What is within the margin may be as right as what was measured before.
      goal = goal === undefined ? target : Math.max(target - margin, Math.min(target + margin, goal))
      if (!isRead) offset = goal
    },
  }
}
