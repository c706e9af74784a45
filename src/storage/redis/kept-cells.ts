import { Fault } from '../../core/fault.ts'
import type { KeptUsesStore } from '../../limits/kept-uses.ts'
import { parseLimit, windowOf } from '../../limits/limit.ts'
import type { LimitUse } from '../../limits/limiter.ts'
import type { LimiterAnswer, Snapshot } from './decode-reply.ts'
import { type LimiterRequest, operations, type RequestUse, requestUse } from './requests.ts'

/**
 * The cells of long limits in Redis, and the rows that keep them.
 *
 * A row says at every moment at least what was used: its cells, and all of its spare used now. What
 * is written is a snapshot of the cell, with no less spare than the cell had; only then the cell's
 * spare is raised, by what the row has more than the snapshot. A cell has the version of the row
 * that its spare is of: a raise applies to the version of its snapshot alone, and once.
 */
export interface KeptCells {
  /** Puts the row in the place of a missing cell; its spare counts as used now. */
  readonly install: (use: LimitUse, epoch: string) => Promise<void>
  /**
   * Writes a snapshot with so much spare and raises the cell. False where the row does not have the
   * snapshot's version, or no longer.
   */
  readonly write: (use: LimitUse, snapshot: Snapshot, spare: number) => Promise<boolean>
  /**
   * The same with a new snapshot, also where the cell is behind its row: a write whose raise was
   * lost leaves it so. It writes no less spare than that row has, for the raise may come yet.
   */
  readonly catchUp: (use: LimitUse, spareOf: (fresh: Snapshot) => number) => Promise<boolean>
}

export interface KeptCellsOptions {
  readonly store: Pick<KeptUsesStore, 'read' | 'write'>
  readonly ask: (request: LimiterRequest) => Promise<LimiterAnswer>
}

export function createKeptCells({ store, ask }: KeptCellsOptions): KeptCells {
  async function replace(
    use: LimitUse,
    snapshot: Snapshot,
    spare: number,
    seenVersion: number,
  ): Promise<boolean> {
    const { cells, epoch } = snapshot
    const version = Math.max(seenVersion, snapshot.version) + 1
    const row = { name: use.counter, limit: use.limit.text, cells, spare, version }
    if (!(await store.write(row, seenVersion, epoch))) return false
    const begins = use.limit.kind === 'calendar' ? { amount: cells.readDoubleLE(0) } : {}
    const raise = { ...cellOf(use), ...begins, cost: spare - snapshot.spare, taken: snapshot.version }
    await ask({ operation: operations.raise, uses: [raise], at: version, epoch })
    return true
  }

  async function look(use: LimitUse): Promise<Snapshot> {
    const answer = await ask({ operation: operations.look, uses: [cellOf(use)], at: 0 })
    const [snapshot] = answer.is === 'off' ? answer.snapshots : []
    if (snapshot === undefined) throw new Fault('limiter_unavailable', 'Redis answered no snapshot')
    return snapshot
  }

  return {
    async install(use, epoch) {
      const row = await store.read(use.counter)
      if (row !== undefined && windowOf(parseLimit(row.limit)) !== windowOf(use.limit))
        throw new Fault(
          'limiter_unavailable',
          `${use.counter}: what is kept is of another limit, ${row.limit}`,
        )
      const { cells = new Uint8Array(), spare = 0, version = 0 } = row ?? {}
      const install = { ...cellOf(use), cells, cost: spare, taken: version }
      await ask({ operation: operations.install, uses: [install], at: 0, epoch })
    },
    write: (use, snapshot, spare) => replace(use, snapshot, spare, snapshot.version),
    async catchUp(use, spareOf) {
      // The row first: a raise behind the snapshot is of this row, or the write comes to nothing.
      const row = await store.read(use.counter)
      const fresh = await look(use)
      if (fresh.cells.length === 0) return false
      const version = row?.version ?? 0
      const owed = version === fresh.version ? 0 : (row?.spare ?? 0)
      return replace(use, fresh, Math.max(spareOf(fresh), owed), version)
    },
  }
}

function cellOf(use: LimitUse): RequestUse {
  return requestUse(use, 0, 0, 0)
}
