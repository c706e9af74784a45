import type { Limit } from '../../limits/limit.ts'
import type { LimitUse } from '../../limits/limiter.ts'
import { isStored } from '../../limits/stored-usage.ts'

/** What the script does; the numbers are its own. */
export const operations = {
  take: 0,
  peek: 1,
  settle: 2,
  reset: 3,
  /** Registers leases that the node holds, or renews them; of none: whether it could. */
  hold: 4,
  install: 5,
  raise: 6,
  look: 7,
  /** `take` of windows that are not kept, not in shadow and not of an address. */
  takePlain: 8,
} as const

/** Uses of a request that may have any number: the script reads their count as 8 bits. */
export const usesAtOnce = 64

/** One of a request's uses, as the script reads it. */
export interface RequestUse {
  readonly counter: string
  /** See `script-requests.ts`. */
  readonly kind: number
  readonly amount: number
  /** Milliseconds of a window, 1 for a month and 0 for a day, or the number of a lease. */
  readonly span: number
  readonly cost: number
  readonly taken: number
  /** A row's cells, to install. */
  readonly cells?: Uint8Array
}

/** What the script is asked in one piece, with others in a call. */
export interface LimiterRequest {
  readonly operation: number
  readonly uses: readonly RequestUse[]
  /** Of take and peek: what the answer tells of. */
  readonly limits?: readonly LimitUse[]
  /** The moment that is settled, or a row's version. */
  readonly at: number
  /** Only in this epoch. @default in any */
  readonly epoch?: string
}

const kinds: Readonly<Record<Limit['kind'], number>> = { window: 0, calendar: 1, concurrent: 2 }
const shadowBit = 8
const keptBit = 16
export const addressBit = 32
const forcedBit = 64

/** A use of a limit, as the script reads it. @param lease of `concurrent`, the first's number */
export function requestUse(use: LimitUse, cost: number, taken: number, lease: number): RequestUse {
  const { counter, limit, isShadow, isOfAddress } = use
  let kind = kinds[limit.kind]
  if (isShadow) kind += shadowBit
  if (isStored(use)) kind += keptBit
  // What is under way at once is bounded by itself: a lease ends.
  if (isOfAddress && limit.kind !== 'concurrent') kind += addressBit
  return { counter, kind, amount: limit.amount, span: spanOf(limit, lease), cost, taken }
}

function spanOf(limit: Limit, lease: number): number {
  if (limit.kind === 'window') return limit.windowMs
  if (limit.kind === 'calendar') return limit.period === 'month' ? 1 : 0
  return lease
}

/** The same, counted though nothing can be kept of it. */
export function forced(use: RequestUse): RequestUse {
  return { ...use, kind: use.kind + forcedBit }
}

/** A lease that this node holds. */
export function leaseUse(counter: string, lease: number): RequestUse {
  return { counter, kind: kinds.concurrent, amount: 1, span: lease, cost: 1, taken: 0 }
}
