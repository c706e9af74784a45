import { addressGroupOf } from '../core/address-group.ts'
import type { Clock } from '../core/time.ts'
import { createGenerations } from './generations.ts'
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
  const seen = createGenerations<Uint32Array>(addressesMax)
  let latest = 0

  return {
    count(address) {
      latest = Math.max(latest, Math.floor(clock()))
      const cells = seen.get(addressGroupOf(address), () => new Uint32Array(windowCells))
      const room = takeUse(limit, { cells, offset: 0 }, latest, 1)
      return room.fits ? undefined : room.freesInMs
    },
    size: seen.size,
  }
}
