import { Fault } from '../../core/fault.ts'
import type { KeptUse, LimitMemory, Moment } from '../usage-store.ts'
import { type ChangedMetersOptions, createChangedMeters } from './dirty-meters.ts'
import type { CountMeter } from './meter.ts'
import type { KeptMeter } from './persistent-meter.ts'

/** What a request uses of a meter that is kept. */
export interface KeptPart {
  readonly meter: KeptMeter
  readonly cost: number
  /** Whether the request is refused where it cannot be kept. A limit in shadow refuses nobody. */
  readonly mustBeKept: boolean
}

/** Keeps meters in a memory: at once where a use would go beyond what is kept, the rest each second. */
export interface LimitKeeper {
  /** Takes up what is kept under a name. @throws Fault `limiter_unavailable` */
  readonly recall: (name: string, meter: CountMeter) => void
  /**
   * Counts uses for which there is room, once they are sure to be kept.
   *
   * @throws Fault `limiter_unavailable`, and nothing is counted
   */
  readonly add: (parts: readonly KeptPart[], now: Moment) => void
  /** Hears that a meter was settled; writes it where what is kept is off by now. Where that fails its next use has to, or is refused. */
  readonly settled: (meter: KeptMeter, now: Moment) => void
  /** Writes what changed in the last second. Never rejects. */
  readonly flush: () => Promise<void>
  /** Writes all exactly and closes the memory. */
  readonly close: () => Promise<void>
}

export function createLimitKeeper(options: ChangedMetersOptions): LimitKeeper {
  const { memory } = options
  const changed = createChangedMeters(options)
  return {
    recall(name, meter) {
      const kept = memory.read(name)
      if (kept === undefined) return
      if (kept.limit !== meter.limit.text || kept.count.kind !== meter.limit.kind)
        throw new Fault(
          'limiter_unavailable',
          `${name}: what is kept of it is of another limit, ${kept.limit}`,
        )
      meter.restore(kept.count)
    },
    add(parts, now) {
      const lacking = lackingOf(parts, now)
      const rows = lacking.map((meter) => meter.keptWith(now, costIn(parts, meter)))
      const isWritten = tryToWrite(memory, rows, () =>
        parts.some(({ meter, mustBeKept }) => mustBeKept && lacking.includes(meter)),
      )
      for (const { meter, cost } of parts) {
        meter.add(now, cost)
        changed.list(meter)
      }
      if (isWritten)
        for (const [index, meter] of lacking.entries()) meter.written(now, rows[index] as KeptUse)
    },
    settled(meter, now) {
      changed.list(meter)
      if (!meter.isOff(now)) return
      const kept = meter.keptWith(now, 0)
      if (tryToWrite(memory, [kept], () => false)) meter.written(now, kept)
    },
    flush: changed.flush,
    async close() {
      await changed.finish()
      memory.close()
    },
  }
}

const none: readonly KeptMeter[] = []

/** Meters that have to be written before a request is counted. */
function lackingOf(parts: readonly KeptPart[], now: Moment): readonly KeptMeter[] {
  let lacking = none
  for (const { meter } of parts)
    if (meter.lacks(now, costIn(parts, meter)) && !lacking.includes(meter)) lacking = [...lacking, meter]
  return lacking
}

/** What a request uses of a meter in all: two uses of one name are counted by one. */
function costIn(parts: readonly KeptPart[], meter: KeptMeter): number {
  let sum = 0
  for (const part of parts) if (part.meter === meter) sum += part.cost
  return sum
}

/** @throws Fault `limiter_unavailable` where what cannot be written must be */
function tryToWrite(memory: LimitMemory, rows: readonly KeptUse[], mustBeKept: () => boolean): boolean {
  if (rows.length === 0) return true
  try {
    memory.write(rows)
    return true
  } catch (error) {
    if (!(error instanceof Fault) || mustBeKept()) throw error
    return false
  }
}
