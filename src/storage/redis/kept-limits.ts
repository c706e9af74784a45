import { Fault } from '../../core/fault.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import { createGenerations } from '../../limits/generations.ts'
import type { LimitUse } from '../../limits/limiter.ts'
import { reserveMaxOf } from '../../limits/stored-usage.ts'
import type { Snapshot } from './decode-reply.ts'
import { createKeptCells, type KeptCellsOptions } from './kept-cells.ts'

/**
 * Long limits, whose use is kept where Redis forgets: Redis counts, and admits no more than is kept
 * as used or spare.
 */
export interface KeptLimits {
  /**
   * Makes room for a cost: reads the row of a cell that is missing, or writes that of one without
   * spare. Resolves when it is worth asking again. Rejects with the store's Fault or
   * `limiter_unavailable`.
   *
   * @param wanted what all who look for room in it need. @default the cost
   */
  readonly makeRoom: (use: LimitUse, snapshot: Snapshot, cost: number, wanted?: number) => Promise<void>
  /** Writes what a cell says, so that its row says no more. Rejects as `makeRoom` does. */
  readonly writeDown: (use: LimitUse, snapshot: Snapshot) => Promise<void>
}

export interface KeptLimitsOptions extends KeptCellsOptions {
  readonly monotonic: Clock
  readonly scheduler: Scheduler
}

/** Limits of which it is known how much of them was used lately. */
const paceMax = 8_192
const paceMs = 1_000
const writeTriesMax = 10

interface Pace {
  /** When room was made last. */
  at: number
  /** And how much. */
  chunk: number
  /** A version whose row another node has replaced. */
  lostVersion: number
}

export function createKeptLimits(options: KeptLimitsOptions): KeptLimits {
  const { monotonic, scheduler } = options
  const cells = createKeptCells(options)
  const paces = createGenerations<Pace>(paceMax)
  const working = new Map<string, Promise<void>>()

  /**
   * Enough for the cost, for those who look for room too, and for what comes after them at this
   * pace; never beyond the limit.
   */
  function spareFor(
    pace: Pace,
    { limit }: LimitUse,
    { spare, used }: Snapshot,
    cost: number,
    looking: number,
  ): number {
    const most = reserveMaxOf(limit.amount)
    const now = monotonic()
    // About what was used in the last second: twice as much each time that it was not enough.
    pace.chunk = now - pace.at < paceMs ? Math.min(pace.chunk * 2, most) : 1
    pace.at = now
    const more = Math.max(pace.chunk, looking)
    const wanted = Math.min(Math.max(0, spare) + more, most, Math.max(0, limit.amount - used))
    return Math.max(wanted, cost, spare)
  }

  async function provide(use: LimitUse, snapshot: Snapshot, cost: number, wanted: number): Promise<void> {
    if (snapshot.cells.length === 0) return cells.install(use, snapshot.epoch)
    const pace = paces.get(use.counter, () => ({ at: Number.NEGATIVE_INFINITY, chunk: 1, lostVersion: -1 }))
    if (pace.lostVersion === snapshot.version) {
      await cells.catchUp(use, (fresh) => spareFor(pace, use, fresh, cost, wanted))
      return
    }
    if (await cells.write(use, snapshot, spareFor(pace, use, snapshot, cost, wanted))) return
    // Another node has written the row, and is about to raise the cell: its room serves both.
    pace.lostVersion = snapshot.version
    await new Promise<void>((resolve) => scheduler.after(5 + 10 * Math.random(), resolve))
  }

  return {
    async makeRoom(use, snapshot, cost, wanted = cost) {
      const known = working.get(use.counter)
      if (known !== undefined) return known
      const work = provide(use, snapshot, cost, wanted)
      working.set(use.counter, work)
      try {
        await work
      } finally {
        working.delete(use.counter)
      }
    },
    async writeDown(use, snapshot) {
      const spareOf = ({ spare }: Snapshot): number => Math.max(0, spare)
      if (await cells.write(use, snapshot, spareOf(snapshot))) return
      for (let tries = 0; tries < writeTriesMax; tries += 1) if (await cells.catchUp(use, spareOf)) return
      throw new Fault('limiter_unavailable', `${use.counter}: what is kept of it changes too often`)
    },
  }
}
