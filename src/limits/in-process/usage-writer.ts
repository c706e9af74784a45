import { Fault } from '../../core/fault.ts'
import { parseLimit, windowOf } from '../limit.ts'
import type { Moment, StoredUsage, UsageStore } from '../usage-store.ts'
import { createDirtyMeters, type DirtyMetersOptions } from './dirty-meters.ts'
import type { CountMeter } from './meter.ts'
import type { PersistentMeter } from './persistent-meter.ts'

/** What a request uses of a persistent meter. */
export interface PersistentUse {
  readonly meter: PersistentMeter
  readonly cost: number
  /** Whether the request is refused if it cannot be stored. A limit in shadow refuses nothing. */
  readonly mustBeStored: boolean
}

/** Writes meters to a store: before a use beyond the reserve, the rest each second. */
export interface UsageWriter {
  /** Restores what is stored of a counter. @throws Fault `limiter_unavailable` */
  readonly restore: (counter: string, meter: CountMeter, now: Moment) => void
  /**
   * Counts uses for which there is room, once they are stored.
   *
   * @throws Fault `limiter_unavailable`, and nothing is counted
   */
  readonly add: (uses: readonly PersistentUse[], now: Moment) => void
  /**
   * After a settlement: writes the meter if the stored value is off. If that fails, its next use
   * must write it or is refused.
   */
  readonly settled: (meter: PersistentMeter, now: Moment) => void
  /**
   * Stores that nothing is used of these, and counts them so.
   *
   * @throws Fault `limiter_unavailable`, and nothing has changed
   */
  readonly reset: (meters: readonly PersistentMeter[], now: Moment) => void
  /** Whether the last of them failed; each second it is tried again. */
  readonly isFailing: () => boolean
  /** Writes what changed in the last second. Never rejects. */
  readonly flush: () => Promise<void>
  /** Writes all exactly and closes the store. */
  readonly close: () => Promise<void>
}

export function createUsageWriter(options: DirtyMetersOptions): UsageWriter {
  const { store, ensureAnswers = async () => {} } = options
  const dirty = createDirtyMeters(options)
  return {
    restore(counter, meter, now) {
      const stored = store.read(counter)
      if (stored === undefined) return
      // Of any amount: an amount may change between two processes, too.
      if (
        windowOf(parseLimit(stored.limit)) !== windowOf(meter.limit) ||
        stored.count.kind !== meter.limit.kind
      )
        throw new Fault(
          'limiter_unavailable',
          `${counter}: the stored usage is of another limit, ${stored.limit}`,
        )
      meter.restore(stored.count, now)
    },
    add(uses, now) {
      const lacking = lackingOf(uses, now)
      const rows = lacking.map((meter) => meter.storedWith(now, costIn(uses, meter)))
      const isWritten = tryToWrite(store, rows, () =>
        uses.some(({ meter, mustBeStored }) => mustBeStored && lacking.includes(meter)),
      )
      for (const { meter, cost } of uses) {
        meter.add(now, cost)
        dirty.add(meter)
      }
      if (isWritten)
        for (const [index, meter] of lacking.entries()) meter.written(now, rows[index] as StoredUsage)
    },
    settled(meter, now) {
      dirty.add(meter)
      if (!meter.isOff(now)) return
      const stored = meter.storedWith(now, 0)
      if (tryToWrite(store, [stored], () => false)) meter.written(now, stored)
    },
    reset(meters, now) {
      const rows = meters.map((meter) => meter.storedReset(now))
      if (rows.length > 0) store.write(rows)
      for (const [index, meter] of meters.entries()) meter.reset(now, rows[index] as StoredUsage)
    },
    isFailing: dirty.isFailing,
    flush: dirty.flush,
    async close() {
      await dirty.finish()
      // To close a database is to write: one whose disk does not answer is left open.
      await ensureAnswers().then(store.close, () => {})
    },
  }
}

const none: readonly PersistentMeter[] = []

/** Meters that have to be written before a request is counted. */
function lackingOf(uses: readonly PersistentUse[], now: Moment): readonly PersistentMeter[] {
  let lacking = none
  for (const { meter } of uses)
    if (meter.lacks(now, costIn(uses, meter)) && !lacking.includes(meter)) lacking = [...lacking, meter]
  return lacking
}

/** What a request uses of a meter in all: two uses of one name share a meter. */
function costIn(uses: readonly PersistentUse[], meter: PersistentMeter): number {
  let sum = 0
  for (const use of uses) if (use.meter === meter) sum += use.cost
  return sum
}

/** @throws Fault `limiter_unavailable` where what cannot be written must be */
function tryToWrite(store: UsageStore, rows: readonly StoredUsage[], mustBeStored: () => boolean): boolean {
  if (rows.length === 0) return true
  try {
    store.write(rows)
    return true
  } catch (error) {
    if (!(error instanceof Fault) || mustBeStored()) throw error
    return false
  }
}
