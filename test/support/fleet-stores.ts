import type { EpochStore, LimiterEpoch } from '../../src/limits/epoch-store.ts'
import type { KeptUses, KeptUsesStore } from '../../src/limits/kept-uses.ts'

/** What PostgreSQL keeps for a fleet's limiter, in memory. */
export interface FleetStores {
  readonly epochs: EpochStore
  readonly kept: KeptUsesStore
  readonly rows: Map<string, KeptUses>
  /** Rejects every call with this, while it is set. */
  fault: Error | undefined
}

export function createFleetStores(): FleetStores {
  const rows = new Map<string, KeptUses>()
  let current: LimiterEpoch | undefined
  const stores: FleetStores = {
    rows,
    fault: undefined,
    epochs: {
      async read() {
        check()
        return current
      },
      async replace(seen, next) {
        check()
        if (current?.epoch !== seen) return false
        current = next
        return true
      },
    },
    kept: {
      async read(name) {
        check()
        return rows.get(name)
      },
      async write(row, seenVersion, epoch) {
        check()
        if (current?.epoch !== epoch || (rows.get(row.name)?.version ?? 0) !== seenVersion) return false
        rows.set(row.name, { ...row, cells: Buffer.from(row.cells) })
        return true
      },
      sweep: async () => 0,
    },
  }
  function check(): void {
    if (stores.fault !== undefined) throw stores.fault
  }
  return stores
}
