import type { KeptUse, LimitMemory, Moment } from '../usage-store.ts'
import type { KeptMeter } from './persistent-meter.ts'

/** Meters that changed since they were last written wholly. */
export interface ChangedMeters {
  readonly list: (meter: KeptMeter) => void
  /** Writes those that changed in the last second, in pieces between which requests have their turn. Never rejects. */
  readonly flush: () => Promise<void>
  /** Writes all of them exactly. Never rejects. */
  readonly finish: () => Promise<void>
}

export interface ChangedMetersOptions {
  readonly memory: LimitMemory
  readonly readClocks: () => Moment
  /** Told when what is used cannot be written, and when it can be again. */
  readonly onFault: (message: string, fault: unknown) => void
}

/** Meters written in one go: one or two milliseconds. */
const metersPerPiece = 64
/** How far the clocks may move against each other before that is written down. */
const driftMsMax = 1_000

export function createChangedMeters({ memory, readClocks, onFault }: ChangedMetersOptions): ChangedMeters {
  let changed: KeptMeter[] = []
  let markedDrift: number | undefined
  let isFailing = false
  let flushing: Promise<void> | undefined

  function list(meter: KeptMeter): void {
    if (meter.isListed) return
    meter.isListed = true
    changed.push(meter)
  }

  /** Marks the time where something changed since, or a clock was set. */
  function mark(now: Moment): void {
    const drift = now.wall - now.steady
    const isSet = markedDrift === undefined || Math.abs(drift - markedDrift) > driftMsMax
    if (changed.length === 0 && !isSet) return
    memory.mark(now)
    markedDrift = drift
  }

  /** Writes all that are listed, and those that come to be meanwhile, each as it is to be kept by then. */
  async function writeAll(keptOf: (meter: KeptMeter, now: Moment) => KeptUse | undefined): Promise<void> {
    const meters = changed
    for (let from = 0; from < meters.length; from += metersPerPiece) {
      if (from > 0) await new Promise((resolve) => setImmediate(resolve))
      const now = readClocks()
      const rows = meters.slice(from, from + metersPerPiece).flatMap((meter) => {
        const kept = keptOf(meter, now)
        return kept === undefined ? [] : [{ meter, kept }]
      })
      if (rows.length > 0) memory.write(rows.map(({ kept }) => kept))
      for (const { meter, kept } of rows) meter.written(now, kept)
    }
  }

  async function tryTo(work: () => Promise<void>): Promise<void> {
    try {
      mark(readClocks())
      await work()
      if (isFailing) onFault('what is used of limits can be kept again', undefined)
      isFailing = false
    } catch (fault) {
      if (!isFailing) onFault('what is used of limits cannot be kept', fault)
      isFailing = true
    }
  }

  async function flush(): Promise<void> {
    await tryTo(async () => {
      await writeAll((meter, now) => meter.keptLater(now))
      memory.tidy(readClocks())
    })
    const meters = changed
    changed = []
    for (const meter of meters) {
      meter.isListed = false
      if (meter.passSecond()) list(meter)
    }
  }

  return {
    list,
    flush() {
      flushing ??= flush().finally(() => {
        flushing = undefined
      })
      return flushing
    },
    async finish() {
      await flushing
      await tryTo(() => writeAll((meter, now) => meter.keptLast(now)))
    },
  }
}
