import { Fault } from '../../core/fault.ts'
import { every, type Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import { noTelemetry, type Telemetry } from '../../telemetry/telemetry.ts'
import { createGenerations } from '../generations.ts'
import type { Limit } from '../limit.ts'
import type { Limiter, LimitRefusal, LimitState, LimitUse, Taking } from '../limiter.ts'
import type { Room } from '../sliding-window.ts'
import { isStored } from '../stored-usage.ts'
import type { Moment, UsageStore } from '../usage-store.ts'
import { type CellPools, createCellPools, ownCells } from './cell-pool.ts'
import { CalendarMeter, ConcurrencyMeter, type Meter, WindowMeter } from './meter.ts'
import { PersistentMeter } from './persistent-meter.ts'
import { createUsageWriter, type PersistentUse, type UsageWriter } from './usage-writer.ts'

export interface InProcessLimiterOptions {
  /** Milliseconds since the epoch, for the calendar's days and months. @default Date.now */
  readonly clock?: Clock | undefined
  /**
   * Never jumps, for windows: setting the clock must neither lock a caller out nor admit twice as
   * much. @default performance.now
   */
  readonly monotonic?: Clock | undefined
  /**
   * Stores windows of an hour and more and the calendar's spans for the next process. A crash gives
   * a caller no more than was left. It costs at most 1/64 of a limit, and no more than was used or
   * given back in the two seconds before. Closed with the limiter. @default nothing is stored
   */
  readonly store?: UsageStore | undefined
  /** Resolves if the store can be expected to answer at once. @default it can */
  readonly ensureAnswers?: (() => Promise<void>) | undefined
  /** Sweeps and flushes. @default only when called */
  readonly scheduler?: Scheduler | undefined
  /** How often, in milliseconds. @default 1,000 */
  readonly maintainMs?: number
  readonly telemetry?: Telemetry | undefined
}

/** A limiter of this process, with its inner state as far as it matters outside. */
export interface InProcessLimiter extends Limiter {
  /** Limits in memory. */
  readonly size: () => number
  /**
   * Forgets unused limits among the next few thousand; returns how many. To be called now and then.
   */
  readonly sweep: () => number
  /** Writes what changed in the last second. To be called each second. Never rejects. */
  readonly flush: () => Promise<void>
}

/**
 * Counts in this process's memory: about 350 bytes for a limit in use, nothing for an unused one.
 */
export function createInProcessLimiter(options: InProcessLimiterOptions = {}): InProcessLimiter {
  const { clock = Date.now, monotonic = () => performance.now(), store, scheduler } = options
  const origin = (store?.beginsAt ?? clock()) - monotonic()
  const readClocks = (): Moment => ({ steady: Math.floor(origin + monotonic()), wall: Math.floor(clock()) })
  const writer =
    store && createUsageWriter({ ...options, store, readClocks, telemetry: options.telemetry ?? noTelemetry })
  const meters = createMeterTable(writer)
  let closed: Promise<void> | undefined

  function meet(uses: readonly LimitUse[], now: Moment): readonly Meter[] {
    if (closed !== undefined) throw new Fault('limiter_unavailable', 'the limiter is closed')
    const met: Meter[] = []
    for (const use of uses) met.push(meters.meterOf(use, now))
    return met
  }

  const sweep = (): number => meters.sweep(readClocks())
  const flush = async (): Promise<void> => writer?.flush()
  const stopMaintenance = scheduler && every(scheduler, options.maintainMs ?? 1_000, maintain)
  function maintain(): void {
    sweep()
    void flush()
  }

  return {
    isOut: () => writer?.isFailing() === true,
    take(uses) {
      try {
        const now = readClocks()
        return takeAll(uses, meet(uses, now), now, writer)
      } catch (fault) {
        return Promise.reject(fault)
      }
    },
    peek(uses) {
      try {
        const now = readClocks()
        return inspect(uses, meet(uses, now), now)
      } catch (fault) {
        return Promise.reject(fault)
      }
    },
    settle(uses, at, costs) {
      try {
        return settleAll(uses, at, costs, meters, readClocks(), writer)
      } catch (fault) {
        return Promise.reject(fault)
      }
    },
    reset(uses) {
      try {
        const now = readClocks()
        return resetAll(meet(uses, now), now, writer)
      } catch (fault) {
        return Promise.reject(fault)
      }
    },
    size: meters.size,
    sweep,
    flush,
    close() {
      stopMaintenance?.()
      closed ??= writer?.close() ?? Promise.resolve()
      return closed
    },
  }
}

const none: readonly LimitRefusal[] = []
const noUses: readonly PersistentUse[] = []

/** All of them without a pause: no other request gets in between. */
function takeAll(
  uses: readonly LimitUse[],
  met: readonly Meter[],
  now: Moment,
  writer: UsageWriter | undefined,
): Taking {
  const states: LimitState[] = []
  let persistent = noUses
  let shadows = none
  for (let index = 0; index < uses.length; index += 1) {
    const use = uses[index] as LimitUse
    const meter = met[index] as Meter
    const isPersistent = meter instanceof PersistentMeter
    const room = isPersistent ? meter.peek(now, use.cost) : meter.take(now, use.cost)
    if (!room.fits && !use.isShadow) {
      giveBack(uses.slice(0, index), met, now, shadows)
      return inspect(uses, met, now)
    }
    if (!room.fits) shadows = [...shadows, { use, retryInMs: room.freesInMs }]
    else if (isPersistent && use.cost > 0)
      persistent = [...persistent, { meter, cost: use.cost, mustBeStored: !use.isShadow }]
    const { remaining, freesInMs = 0 } = room.fits ? room : meter.peek(now, 0)
    states.push({ use, remaining, freesInMs })
  }
  if (writer !== undefined && persistent.length > 0) {
    try {
      writer.add(persistent, now)
    } catch (fault) {
      giveBack(uses, met, now, shadows)
      throw fault
    }
    for (const [index, meter] of met.entries())
      if (meter instanceof PersistentMeter)
        states[index] = stateOf(uses[index] as LimitUse, meter.peek(now, 0))
  }
  return { refusal: undefined, shadows, states, at: now.steady }
}

function settleAll(
  uses: readonly LimitUse[],
  at: number,
  costs: readonly number[],
  meters: MeterTable,
  now: Moment,
  writer: UsageWriter | undefined,
): void {
  let failure: { readonly fault: unknown } | undefined
  for (const [index, use] of uses.entries())
    try {
      const meter = meters.meterOf(use, now)
      meter.settle(now, at, use.cost, costs[index] ?? 0)
      if (meter instanceof PersistentMeter) writer?.settled(meter, now)
    } catch (fault) {
      // The others all the same: what is counted at once must come free.
      failure = { fault }
    }
  if (failure !== undefined) throw failure.fault
}

/** What is stored comes first: where that fails, nothing is reset. */
function resetAll(met: readonly Meter[], now: Moment, writer: UsageWriter | undefined): void {
  writer?.reset(
    met.filter((meter) => meter instanceof PersistentMeter),
    now,
  )
  for (const meter of met)
    if (meter instanceof WindowMeter || meter instanceof CalendarMeter) meter.reset(now)
}

/**
 * Gives back what a request took before one of its limits refused. Persistent meters are counted
 * last.
 */
function giveBack(
  uses: readonly LimitUse[],
  met: readonly Meter[],
  now: Moment,
  shadows: readonly LimitRefusal[],
): void {
  for (const [index, use] of uses.entries()) {
    const meter = met[index]
    if (meter instanceof PersistentMeter || shadows.some((shadow) => shadow.use === use)) continue
    meter?.settle(now, now.steady, use.cost, 0)
  }
}

/**
 * What taking all these would come to, with nothing taken. The limit that passes last is the
 * refusal.
 */
function inspect(uses: readonly LimitUse[], met: readonly Meter[], now: Moment): Taking {
  let refusal: LimitRefusal | undefined
  const shadows: LimitRefusal[] = []
  const states = uses.map((use, index) => {
    const meter = met[index] as Meter
    const { fits, freesInMs: retryInMs } = meter.peek(now, use.cost)
    if (!fits && use.isShadow) shadows.push({ use, retryInMs })
    else if (!fits && (refusal === undefined || (retryInMs ?? 0) > (refusal.retryInMs ?? 0)))
      refusal = { use, retryInMs }
    return stateOf(use, meter.peek(now, 0))
  })
  return { refusal, shadows, states, at: now.steady }
}

function stateOf(use: LimitUse, { remaining, freesInMs = 0 }: Room): LimitState {
  return { use, remaining, freesInMs }
}

/** The meters of all limits that are in use, by counter. */
interface MeterTable {
  /**
   * The meter of a limit, new or known, under the amount that the limit has now.
   *
   * @throws Fault `limiter_unavailable` if its stored usage cannot be read
   */
  readonly meterOf: (use: LimitUse, now: Moment) => Meter
  readonly size: () => number
  /** Forgets unused meters among the next few thousand; returns how many. */
  readonly sweep: (now: Moment) => number
}

/** Most meters of addresses. */
const addressMetersMax = 32_768

/** Meters looked at in one sweep: a few milliseconds. */
const sweptMax = 5_000

function createMeterTable(writer: UsageWriter | undefined): MeterTable {
  const meters = new Map<string, Meter>()
  const pools = createCellPools()
  const ofAddresses = createGenerations<Meter>(addressMetersMax, release)
  let sweeping = meters.entries()

  function createFor(use: LimitUse, now: Moment): Meter {
    const isKept = writer !== undefined && isStored(use)
    const meter = createMeter(use.limit, pools, isKept ? 0 : now.steady)
    if (!isKept || meter instanceof ConcurrencyMeter) return meter
    try {
      writer.restore(use.counter, meter, now)
      return new PersistentMeter(use.counter, meter)
    } catch (fault) {
      release(meter)
      throw fault
    }
  }

  return {
    meterOf(use, now) {
      if (use.isOfAddress) return ofAddresses.get(use.counter, () => createMeter(use.limit, pools))
      const known = meters.get(use.counter)
      if (known !== undefined) {
        if (known.limit.amount !== use.limit.amount) known.adopt(use.limit, now)
        return known
      }
      try {
        const meter = createFor(use, now)
        meters.set(use.counter, meter)
        return meter
      } catch (fault) {
        // A limit in shadow refuses nothing: it counts from 0 until it can be read.
        if (use.isShadow) return createMeter(use.limit, ownCells)
        throw fault
      }
    },
    size: () => meters.size + ofAddresses.size(),
    sweep(now) {
      const before = meters.size
      for (let looked = 0; looked < sweptMax; looked += 1) {
        const next = sweeping.next()
        if (next.done === true) {
          sweeping = meters.entries()
          break
        }
        const [name, meter] = next.value
        if (meter.used(now) > 0 || (meter instanceof PersistentMeter && meter.isDirty)) continue
        release(meter)
        meters.delete(name)
      }
      return before - meters.size
    },
  }
}

/** @param since what was taken before counts no more, and gives nothing back */
function createMeter(
  limit: Limit,
  pools: CellPools,
  since = 0,
): WindowMeter | CalendarMeter | ConcurrencyMeter {
  switch (limit.kind) {
    case 'window':
      return new WindowMeter(limit, pools, since)
    case 'calendar':
      return new CalendarMeter(limit)
    case 'concurrent':
      return new ConcurrencyMeter(limit)
  }
}

function release(meter: Meter): void {
  const counted = meter instanceof PersistentMeter ? meter.counted : meter
  if (counted instanceof WindowMeter) counted.release()
}
