import { addressGroupOf } from '../core/address-group.ts'
import type { Clock } from '../core/time.ts'
import type { WindowLimit } from './limit.ts'
import { takeUse, windowCells } from './sliding-window.ts'

/**
 * Counts wrong keys by client address. It runs only after a key has turned out to be wrong, so a
 * right key from the same address is never refused.
 */
export interface BadKeyLimiter {
  /**
   * Counts one. If the address sent too many, returns the milliseconds until it may send another.
   */
  readonly count: (address: string | undefined) => number | undefined
  /** How many addresses are remembered. */
  readonly size: () => number
}

/** Most addresses that are remembered, over two generations: some 12 MiB. */
const addressesMax = 32_768

export function createBadKeyLimiter(limit: WindowLimit | undefined, clock: Clock): BadKeyLimiter {
  if (limit === undefined) return { count: () => undefined, size: () => 0 }
  let young = new Map<string, Uint32Array>()
  let old = new Map<string, Uint32Array>()
  let latest = 0

  function cellsOf(group: string): Uint32Array {
    const known = young.get(group) ?? old.get(group) ?? new Uint32Array(windowCells)
    if (young.size >= addressesMax / 2 && !young.has(group)) {
      old = young
      young = new Map()
    }
    old.delete(group)
    young.set(group, known)
    return known
  }

  return {
    count(address) {
      latest = Math.max(latest, Math.floor(clock()))
      const state = { cells: cellsOf(addressGroupOf(address)), offset: 0 }
      const room = takeUse(limit, state, latest, 1)
      return room.fits ? undefined : room.freesInMs
    },
    size: () => young.size + old.size,
  }
}
