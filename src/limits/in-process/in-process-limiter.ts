import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import type { Limiter, LimitRefusal, LimitState, LimitUse, Taking } from '../limiter.ts'
import type { LimitMemory, Moment } from '../usage-store.ts'
import type { Meter } from './meter.ts'
import { createMeterTable } from './meter-table.ts'
import { KeptMeter } from './persistent-meter.ts'
import { createLimitKeeper, type KeptPart, type LimitKeeper } from './usage-writer.ts'

export interface MemoryLimiterOptions {
  /** Milliseconds since the epoch, for the calendar's days and months. @default Date.now */
  readonly clock?: Clock
  /** Never jumps, for windows: a clock that is set right must neither lock anybody out nor let twice as much through. @default performance.now */
  readonly monotonic?: Clock
  /**
   * Keeps windows of an hour and more and the calendar's days and months for the next process. A crash gives nobody more than was
   * left. It costs at most 1/64 of a limit, and no more than was used or given back in the two seconds before. Closed with the
   * limiter. @default nothing is kept
   */
  readonly memory?: LimitMemory
  /** How often it sweeps and flushes by itself, in milliseconds. 0: only when it is told to. @default 0 */
  readonly tendMs?: number
  /** Told when what is used cannot be kept, and when it can be again (`fault` undefined). */
  readonly onFault?: (message: string, fault: unknown) => void
}

/** A limiter of this process, with what can be seen of it. */
export interface MemoryLimiter extends Limiter {
  /** Limits that hold something. */
  readonly size: () => number
  /** Lets go of limits of which nothing is used any more, among the next so many; gives how many. To be called now and then. */
  readonly sweep: () => number
  /** Writes what changed in the last second. To be called each second. Never rejects. */
  readonly flush: () => Promise<void>
}

/** Counts in this process's memory: about 350 bytes a limit that is in use, and nothing for one that is not. */
export function createMemoryLimiter(options: MemoryLimiterOptions = {}): MemoryLimiter {
  const { clock = Date.now, monotonic = () => performance.now(), memory, tendMs = 0 } = options
  const origin = (memory?.beginsAt ?? clock()) - monotonic()
  const readClocks = (): Moment => ({ steady: Math.floor(origin + monotonic()), wall: Math.floor(clock()) })
  const keeper = memory && createLimitKeeper({ memory, readClocks, onFault: options.onFault ?? (() => {}) })
  const meters = createMeterTable(keeper)
  let closed: Promise<void> | undefined

  /** Every limit is looked at before any is counted, in one go without a pause: nobody gets in between. */
  function take(uses: readonly LimitUse[], isLookOnly: boolean): Taking {
    if (closed !== undefined) throw new Fault('limiter_unavailable', 'the limiter is closed')
    const now = readClocks()
    const met: Meter[] = []
    let refusal: LimitRefusal | undefined
    let shadows: LimitRefusal[] = none
    for (const use of uses) {
      const meter = meters.meterOf(use)
      met.push(meter)
      const refused = refusalOf(meter, use, now)
      if (refused === undefined) continue
      if (use.isShadow) shadows = [...shadows, refused]
      else if (refusal === undefined || passesLater(refused, refusal)) refusal = refused
    }
    if (refusal === undefined && !isLookOnly) count(uses, met, shadows, now, keeper)
    return new MemoryTaking(uses, met, now, refusal, shadows)
  }

  function settle(uses: readonly LimitUse[], at: number, costs: readonly number[]): void {
    const now = readClocks()
    let failure: { readonly fault: unknown } | undefined
    for (const [index, use] of uses.entries())
      try {
        const meter = meters.meterOf(use)
        meter.settle(now, at, use.cost, costs[index] ?? 0)
        if (meter instanceof KeptMeter) keeper?.settled(meter, now)
      } catch (fault) {
        // The others all the same: what is under way at once must come free.
        failure = { fault }
      }
    if (failure !== undefined) throw failure.fault
  }

  const sweep = (): number => meters.sweep(readClocks())
  const flush = async (): Promise<void> => keeper?.flush()
  const timer = tendMs === 0 ? undefined : setInterval(tend, tendMs).unref()
  function tend(): void {
    sweep()
    void flush()
  }

  return {
    take: (uses) => attempt(() => take(uses, false)),
    look: (uses) => attempt(() => take(uses, true)),
    settle: (uses, at, costs) => attempt(() => settle(uses, at, costs)),
    size: meters.size,
    sweep,
    flush,
    close() {
      clearInterval(timer)
      closed ??= keeper?.close() ?? Promise.resolve()
      return closed
    },
  }
}

/** How the limits stand is worked out when somebody asks: many never do. */
class MemoryTaking implements Taking {
  readonly refusal: LimitRefusal | undefined
  readonly shadows: readonly LimitRefusal[]
  readonly at: number
  readonly #uses: readonly LimitUse[]
  readonly #met: readonly Meter[]
  readonly #now: Moment
  #states: readonly LimitState[] | undefined

  constructor(
    uses: readonly LimitUse[],
    met: readonly Meter[],
    now: Moment,
    refusal: LimitRefusal | undefined,
    shadows: readonly LimitRefusal[],
  ) {
    this.#uses = uses
    this.#met = met
    this.#now = now
    this.refusal = refusal
    this.shadows = shadows
    this.at = now.steady
  }

  get states(): readonly LimitState[] {
    this.#states ??= this.#uses.map((use, index) => stateOf(this.#met[index] as Meter, use, this.#now))
    return this.#states
  }
}

/** At once where it succeeds; a failure is a rejection, as of every limiter. */
function attempt<T>(work: () => T): T | Promise<T> {
  try {
    return work()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Counts what fits. What has to be kept comes first: where that fails, nothing has been counted. */
function count(
  uses: readonly LimitUse[],
  met: readonly Meter[],
  shadows: readonly LimitRefusal[],
  now: Moment,
  keeper: LimitKeeper | undefined,
): void {
  if (keeper !== undefined) {
    const kept: KeptPart[] = []
    for (const [index, use] of uses.entries()) {
      const meter = met[index]
      if (meter instanceof KeptMeter && isCounted(use, shadows))
        kept.push({ meter, cost: use.cost, mustBeKept: !use.isShadow })
    }
    if (kept.length > 0) keeper.add(kept, now)
  }
  for (let index = 0; index < uses.length; index += 1) {
    const use = uses[index] as LimitUse
    const meter = met[index]
    if (!(meter instanceof KeptMeter) && isCounted(use, shadows)) meter?.add(now, use.cost)
  }
}

function isCounted(use: LimitUse, shadows: readonly LimitRefusal[]): boolean {
  return use.cost > 0 && (shadows === none || !shadows.some((shadow) => shadow.use === use))
}

const none: LimitRefusal[] = []

function refusalOf(meter: Meter, use: LimitUse, now: Moment): LimitRefusal | undefined {
  if (use.cost === 0) return undefined
  const retryInMs = meter.freeInMs(now, use.cost)
  return retryInMs === 0 ? undefined : { use, retryInMs }
}

function passesLater(one: LimitRefusal, other: LimitRefusal): boolean {
  return (one.retryInMs ?? 0) > (other.retryInMs ?? 0)
}

function stateOf(meter: Meter, use: LimitUse, now: Moment): LimitState {
  const { amount } = use.limit
  const remaining = Math.max(0, amount - meter.used(now))
  const freesInMs = remaining === amount ? 0 : (meter.freeInMs(now, remaining + 1) ?? 0)
  return { use, remaining, freesInMs }
}
