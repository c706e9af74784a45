import { randomBytes } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import { awaitedScheduler, every, processScheduler, type Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { EpochStore } from '../../limits/epoch-store.ts'
import { withFailMode } from '../../limits/fail-mode.ts'
import { createInProcessLimiter } from '../../limits/in-process/in-process-limiter.ts'
import type { KeptUsesStore } from '../../limits/kept-uses.ts'
import type { Limiter } from '../../limits/limiter.ts'
import { measureLimiter } from '../../limits/measured-limiter.ts'
import { noTelemetry, type Telemetry } from '../../telemetry/telemetry.ts'
import { type Calls, createCalls } from './calls.ts'
import { createCounting } from './counting.ts'
import { createKeptLimits } from './kept-limits.ts'
import { createLeases } from './leases.ts'
import { openLink } from './link.ts'
import { asSetupError, describeRedisError } from './redis-error.ts'
import { parseRedisUrl } from './redis-url.ts'
import { operations } from './requests.ts'
import { createServerClock } from './server-clock.ts'

export interface RedisLimiterOptions {
  /** See `parseRedisUrl`. */
  readonly url: string
  /** Names the deployment: what the names of its keys begin with. */
  readonly deployment: string
  readonly epochs: EpochStore
  /** Keeps windows of an hour and more, and the calendar's spans. */
  readonly kept: KeptUsesStore
  /**
   * What windows below an hour and `concurrent` do while Redis is out. `share` counts the limit
   * divided by `liveNodes` in this process's memory. @default 'closed'
   */
  readonly loss?: 'closed' | 'share' | 'open' | undefined
  /** How many nodes are alive, itself among them. @default 1 */
  readonly liveNodes?: (() => number) | undefined
  /** Called with each request that was not counted as it should be, and why. */
  readonly onDegraded?: ((fault: unknown) => void) | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
  /** Never jumps, in milliseconds. @default performance.now */
  readonly monotonic?: Clock | undefined
  readonly telemetry?: Telemetry | undefined
  /** Longest that a call may take, in milliseconds. @default 250 */
  readonly deadlineMs?: number
  /**
   * Both clocks, of a test: whole milliseconds since the epoch, one that never jumps and one that
   * people set. @default Redis' own for both
   */
  readonly clocks?: (() => { readonly steady: number; readonly wall: number }) | undefined
}

/** A fleet's limiter. */
export interface RedisLimiter extends Limiter {
  /** Asks Redis whether requests with limits can be counted at this moment. Never rejects. */
  readonly isReady: () => Promise<boolean>
}

/** Leases end after 60 s: one that could not be renewed once or twice is no lost one. */
const renewalMs = 20_000
/** How often Redis is looked at where nothing is taken: it may forget, or its clock be set. */
const lookMs = 1_000
/** How often rows are deleted that nothing counts any more. */
const sweepMs = 3_600_000

/**
 * Opens the limiter of a fleet. Where Redis cannot be reached it opens all the same, answers
 * `limiter_unavailable` or what `loss` says, and connects again until it is closed.
 *
 * @throws SetupError `config_invalid`, `peer_missing`; `redis_unreachable`, `redis_unsuitable`
 *   where waiting does not mend it, as with a wrong password
 */
export async function openRedisLimiter(options: RedisLimiterOptions): Promise<RedisLimiter> {
  const { deployment, epochs, clocks, telemetry = noTelemetry, deadlineMs = 250 } = options
  const { monotonic = () => performance.now(), scheduler = processScheduler } = options
  // A caller awaits these; the others keep no process alive.
  const awaited = options.scheduler ?? awaitedScheduler
  const url = parseRedisUrl(options.url)
  const serverClock = createServerClock(deadlineMs)
  const node = randomBytes(6).toString('base64url')
  const calls = createCalls({ node, deadlineMs, monotonic, serverClock, clocks, onStale })
  const leases = createLeases(calls)
  // Where it fails the connection is gone, and the next begins with it.
  const register = (): void => void leases.register().catch(() => {})
  // Each call tells what it finds; what it rejects with is an outage that the next says too.
  const nothing = { operation: operations.peek, uses: [], at: 0 }
  const look = (): void => void calls.ask(nothing).catch(() => {})
  const link = openLink({
    url,
    deployment,
    epochs,
    scheduler,
    awaited,
    telemetry,
    deadlineMs,
    steady: clocks && (() => clocks().steady),
    onOpen(line, epoch) {
      calls.open(line, epoch)
      register()
      look()
    },
    onShut(cause) {
      serverClock.forget()
      const says = cause instanceof Error ? `: ${describeRedisError(cause)}` : ''
      calls.shut(`limits cannot be counted in ${url.name}${says}`, cause)
    },
  })
  function onStale(isDoubted: boolean): void {
    calls.shut('the epoch of the limiter is agreed on again')
    link.agreeAgain(isDoubted)
  }
  const stopRenewal = every(scheduler, renewalMs, register)
  const stopLooking = every(scheduler, lookMs, look)
  // What fails is tried again an hour later.
  const stopSweep = every(scheduler, sweepMs, () => void options.kept.sweep().catch(() => {}))
  const kept = createKeptLimits({ store: options.kept, ask: calls.ask, monotonic, scheduler: awaited })
  async function close(): Promise<void> {
    stopRenewal()
    stopLooking()
    stopSweep()
    await link.close()
    calls.shut('the limiter is closed')
  }
  const why = await link.first
  const refused = why === undefined ? undefined : asSetupError(why, url.name)
  if (refused !== undefined) {
    await close()
    throw refused
  }
  const counting = createCounting({ calls, leases, kept, monotonic, telemetry })
  const counted = measureLimiter({ ...counting, close }, 'redis', telemetry.measures)
  return {
    ...degrade(counted, options),
    isOut: () => calls.epoch() === undefined,
    isReady: () => answers(calls),
  }
}

async function answers(calls: Calls): Promise<boolean> {
  try {
    await calls.ask({ operation: operations.hold, uses: [], at: 0 })
    return true
  } catch (error) {
    if (error instanceof Fault) return false
    throw error
  }
}

/** What `loss` makes of it. */
function degrade(limiter: Limiter, options: RedisLimiterOptions): Limiter {
  const { loss = 'closed', liveNodes = () => 1, onDegraded } = options
  if (loss === 'closed') return limiter
  const { clocks } = options
  const local = createInProcessLimiter({
    ...(clocks && { clock: () => clocks().wall, monotonic: () => clocks().steady }),
    ...(options.scheduler && { scheduler: options.scheduler }),
  })
  return withFailMode(limiter, {
    fail: loss === 'open' ? { mode: 'open' } : { mode: 'share', local, nodes: liveNodes },
    // Each call to Redis has a deadline of its own, and what is kept has its database's.
    deadlineMs: Number.POSITIVE_INFINITY,
    ...(onDegraded && { onDegraded }),
    ...(clocks && { clock: () => clocks().wall }),
  })
}
