import { createOutageReport } from '../../telemetry/outage-report.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { Moment, StoredUsage, UsageStore } from '../usage-store.ts'
import type { PersistentMeter } from './persistent-meter.ts'

/** Meters that changed since they were last written in full. */
export interface DirtyMeters {
  readonly add: (meter: PersistentMeter) => void
  /** Whether the last writing failed. */
  readonly isFailing: () => boolean
  /**
   * Writes those that changed in the last second, in pieces that let requests in between. Never
   * rejects.
   */
  readonly flush: () => Promise<void>
  /** Writes all of them exactly. Never rejects. */
  readonly finish: () => Promise<void>
}

export interface DirtyMetersOptions {
  readonly store: UsageStore
  readonly readClocks: () => Moment
  readonly telemetry: Telemetry
  /**
   * Resolves if the store can be expected to answer at once.
   * @default it can
   */
  readonly ensureAnswers?: (() => Promise<void>) | undefined
}

/** Meters written in one go: one or two milliseconds. */
const metersPerPiece = 64
/** How far the clocks may move against each other before that is written down. */
const driftMsMax = 1_000

export function createDirtyMeters(options: DirtyMetersOptions): DirtyMeters {
  const { store, readClocks, telemetry, ensureAnswers } = options
  let dirty: PersistentMeter[] = []
  let markedDrift: number | undefined
  const outage = createOutageReport('limiter.not_persisted', telemetry, {
    clock: () => readClocks().wall,
  })
  let flushing: Promise<void> | undefined

  function add(meter: PersistentMeter): void {
    if (meter.isDirty) return
    meter.isDirty = true
    dirty.push(meter)
  }

  /** Marks the time where something changed since, or a clock was set. */
  function mark(now: Moment): void {
    const drift = now.wall - now.steady
    if (dirty.length === 0 && !isClockSet(markedDrift, drift)) return
    store.mark(now)
    markedDrift = drift
  }

  /**
   * Writes all that are dirty, those that become so meanwhile included, each as it stands when
   * written.
   */
  async function writeAll(
    storedOf: (meter: PersistentMeter, now: Moment) => StoredUsage | undefined,
  ): Promise<void> {
    const meters = dirty
    for (let from = 0; from < meters.length; from += metersPerPiece) {
      if (from > 0) await new Promise((resolve) => setImmediate(resolve))
      const now = readClocks()
      const rows = rowsOf(meters.slice(from, from + metersPerPiece), (meter) => storedOf(meter, now))
      if (rows.length > 0) store.write(rows.map(({ stored }) => stored))
      for (const { meter, stored } of rows) meter.written(now, stored)
    }
  }

  async function tryTo(work: () => Promise<void>): Promise<void> {
    try {
      if (ensureAnswers !== undefined && dirty.length > 0) await ensureAnswers()
      mark(readClocks())
      await work()
      outage.passed()
    } catch (fault) {
      outage.failed(fault)
    }
  }

  async function flush(): Promise<void> {
    await tryTo(async () => {
      await writeAll((meter, now) => meter.storedLater(now))
      store.sweep(readClocks())
    })
    const meters = dirty
    dirty = []
    for (const meter of meters) {
      meter.isDirty = false
      if (meter.passSecond()) add(meter)
    }
  }

  return {
    add,
    isFailing: outage.isOut,
    flush() {
      flushing ??= flush().finally(() => {
        flushing = undefined
      })
      return flushing
    },
    async finish() {
      await flushing
      await tryTo(() => writeAll((meter, now) => meter.storedLast(now)))
      outage.stop()
    },
  }
}

interface MeterRow {
  readonly meter: PersistentMeter
  readonly stored: StoredUsage
}

function rowsOf(
  meters: readonly PersistentMeter[],
  storedOf: (meter: PersistentMeter) => StoredUsage | undefined,
): readonly MeterRow[] {
  return meters.flatMap((meter) => {
    const stored = storedOf(meter)
    return stored === undefined ? [] : [{ meter, stored }]
  })
}

function isClockSet(before: number | undefined, drift: number): boolean {
  return before === undefined || Math.abs(drift - before) > driftMsMax
}
