import { addressGroupOf } from '../core/address-group.ts'
import type { Clock } from '../core/time.ts'
import type { WindowLimit } from './limit.ts'
import { takeUse, windowCells } from './sliding-window.ts'

/**
 * Counts wrong keys by the address they come from. It is asked only once a key has turned out to be wrong, so that a right key from
 * the same address is never in its way.
 */
export interface BadKeys {
  /** Counts one; tells how long until this address may be wrong again, in milliseconds, where it has been too often. */
  readonly count: (address: string | undefined) => number | undefined
  /** Addresses that are remembered. */
  readonly size: () => number
}

/** Most addresses that are remembered, over two generations: some 12 MiB. Whoever has more addresses than that gains what they buy. */
const addressesMax = 32_768

export function createBadKeys(limit: WindowLimit | undefined, clock: Clock): BadKeys {
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
