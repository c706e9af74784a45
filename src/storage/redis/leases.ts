import type { LimitUse } from '../../limits/limiter.ts'
import type { Calls } from './calls.ts'
import { leaseUse, operations, type RequestUse, usesAtOnce } from './requests.ts'

/**
 * What this node holds at once (`concurrent`): leases in Redis that it renews, so that those of a
 * node that died come free.
 */
export interface Leases {
  /** The number of the first of so many new ones. */
  readonly draw: (count: number) => number
  readonly hold: (counter: string, at: number, first: number, count: number) => void
  /** Lets one go that was taken at a moment; undefined where it holds no such one. */
  readonly release: (counter: string, at: number) => number | undefined
  /** Says to Redis that this node holds them: each 20 s, and to one that may not know. */
  readonly register: () => Promise<void>
}

export function createLeases(calls: Calls): Leases {
  // By counter and moment: leases of one moment and one name are as good as each other.
  const held = new Map<string, Map<number, number[]>>()
  let last = 0
  return {
    draw(count) {
      const first = last + 1
      last += count
      return first
    },
    hold(counter, at, first, count) {
      if (count === 0) return
      const moments = held.get(counter) ?? new Map<number, number[]>()
      const numbers = moments.get(at) ?? []
      for (let place = 0; place < count; place += 1) numbers.push(first + place)
      moments.set(at, numbers)
      held.set(counter, moments)
    },
    release(counter, at) {
      const moments = held.get(counter)
      const numbers = moments?.get(at)
      const lease = numbers?.pop()
      if (numbers?.length === 0) moments?.delete(at)
      if (moments?.size === 0) held.delete(counter)
      return lease
    },
    async register() {
      let uses: RequestUse[] = []
      const sent: Promise<unknown>[] = []
      const send = (): void => {
        if (uses.length > 0) sent.push(calls.ask({ operation: operations.hold, uses, at: 0 }))
        uses = []
      }
      for (const [counter, moments] of held)
        for (const numbers of moments.values())
          for (const lease of numbers) {
            uses.push(leaseUse(counter, lease))
            if (uses.length === usesAtOnce) send()
          }
      send()
      await Promise.all(sent)
    },
  }
}

/** Leases that one request may take: each is a member of a set. */
const leasesMax = 1_024

/** How many leases a use takes. @throws RangeError for more than 1,024 */
export function checkLeases({ cost, counter }: LimitUse): number {
  if (cost > leasesMax) throw new RangeError(`${counter}: expected at most ${leasesMax} at once, got ${cost}`)
  return cost
}
