import type { Limit, WindowLimit } from '../limit.ts'
import type { LimitUse } from '../limiter.ts'
import { cellsOf } from '../sliding-window.ts'
import { isStored } from '../stored-usage.ts'
import type { Moment } from '../usage-store.ts'
import { type CellPool, type Cells, createCellPool } from './cell-pool.ts'
import { CalendarMeter, ConcurrencyMeter, type Meter, WindowMeter } from './meter.ts'
import { PersistentMeter } from './persistent-meter.ts'
import type { UsageWriter } from './usage-writer.ts'

/** The meters of all limits that are in use, by name. */
export interface MeterTable {
  /** The meter of a limit, new or known. @throws Fault `limiter_unavailable` if its stored usage cannot be read */
  readonly meterOf: (use: LimitUse) => Meter
  readonly size: () => number
  /** Forgets unused meters among the next few thousand; returns how many. */
  readonly sweep: (now: Moment) => number
}

/** Meters looked at in one sweep: a few milliseconds. */
const sweptMax = 5_000

export function createMeterTable(writer: UsageWriter | undefined): MeterTable {
  const meters = new Map<string, Meter>()
  const pool = createPools()
  let sweeping = meters.entries()

  function createFor(use: LimitUse): Meter {
    const meter = createMeter(use.limit, pool)
    if (writer === undefined || meter instanceof ConcurrencyMeter || !isStored(use)) return meter
    try {
      writer.restore(use.name, meter)
      return new PersistentMeter(use.name, meter)
    } catch (fault) {
      release(meter, pool)
      throw fault
    }
  }

  return {
    meterOf(use) {
      const known = meters.get(use.name)
      if (known !== undefined) return known
      try {
        const meter = createFor(use)
        meters.set(use.name, meter)
        return meter
      } catch (fault) {
        // A limit in shadow refuses nothing: it counts from 0 until it can be read.
        if (use.isShadow) return createMeter(use.limit, ownCells)
        throw fault
      }
    },
    size: () => meters.size,
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
        release(meter, pool)
        meters.delete(name)
      }
      return before - meters.size
    },
  }
}

/** Memory for windows, a pool for each size: few sizes serve most of them. */
interface CellPools {
  readonly take: (limit: WindowLimit) => Cells
  readonly giveBack: (limit: WindowLimit, piece: Cells) => void
}

function createPools(): CellPools {
  const pools = new Map<number, CellPool>()
  function poolOf(limit: WindowLimit): CellPool {
    const size = cellsOf(limit)
    const pool = pools.get(size) ?? createCellPool(size)
    pools.set(size, pool)
    return pool
  }
  return {
    take: (limit) => poolOf(limit).take(),
    giveBack: (limit, piece) => poolOf(limit).giveBack(piece),
  }
}

const ownCells: Pick<CellPools, 'take'> = {
  take: (limit) => ({ cells: new Uint32Array(cellsOf(limit)), offset: 0 }),
}

function createMeter(
  limit: Limit,
  pool: Pick<CellPools, 'take'>,
): WindowMeter | CalendarMeter | ConcurrencyMeter {
  switch (limit.kind) {
    case 'window':
      return new WindowMeter(limit, pool.take(limit))
    case 'calendar':
      return new CalendarMeter(limit)
    case 'concurrent':
      return new ConcurrencyMeter(limit)
  }
}

function release(meter: Meter, pool: CellPools): void {
  const counted = meter instanceof PersistentMeter ? meter.counted : meter
  if (counted instanceof WindowMeter) pool.giveBack(counted.limit, counted)
}
