import { Fault } from '../../src/core/fault.ts'
import { Refusal } from '../../src/core/refusal.ts'
import type { Caller } from '../../src/guard/caller.ts'
import type { Demand } from '../../src/guard/demand.ts'
import type { UsageReservation } from '../../src/guard/exchange/reserve.ts'
import type { Costs } from '../../src/limits/usage/costs.ts'
import type { Usage } from '../../src/limits/usage/usage.ts'
import { OtherFault, OtherRefusal } from './other-copy.ts'

/** A route that every app under test has, in its framework's own way. */
export interface AppRoute {
  readonly path: string
  /** @default GET */
  readonly method?: 'GET' | 'POST'
  /** What its own declaration says; undefined where it was forgotten. */
  readonly guard?: Demand | 'public'
  /** Whether it stands in a sub-app of the framework's, mounted at the first part of its path. */
  readonly isInSubApp?: boolean
  /**
   * Answers JSON, at once or later. `readCaller` and `readUsage` are the adapter's own functions,
   * which throw where no caller was admitted; `reserve` is the ward's, for this request.
   */
  readonly handle: (
    readCaller: () => Caller | null,
    readUsage: () => Usage,
    reserve: (costs: Costs) => Promise<UsageReservation>,
  ) => unknown
}

/** What middleware ahead of the guard has set. */
export const early = { name: 'x-early', value: 'set ahead of the guard' }

/** What no answer may show. */
export const cause = 'a cause with a path /etc/passwd in it'

const betaOnly: Demand = {
  check() {
    throw new Refusal('forbidden', 'beta only')
  },
}

const betaOfAnotherCopy: Demand = {
  check() {
    throw new OtherRefusal('forbidden', 'beta only')
  },
}

export const predictRoute: AppRoute = {
  method: 'POST',
  path: '/predict',
  guard: { scope: 'predict' },
  handle: (readCaller) => ({ owner: readCaller()?.owner ?? null }),
}
export const healthRoute: AppRoute = { path: '/health', guard: 'public', handle: () => ({ status: 'ok' }) }

/** The routes of the table, without the two that the server has by itself. */
export const appRoutes: readonly AppRoute[] = [
  { path: '/unthought', handle: () => 'in' },
  { path: '/sub/inner', isInSubApp: true, handle: () => 'in' },
  { path: '/beta', guard: betaOnly, handle: () => 'in' },
  { path: '/beta-of-a-copy', guard: betaOfAnotherCopy, handle: () => 'in' },
  { path: '/either', guard: { anyScope: ['train', 'tune'] }, handle: () => 'in' },
  { path: '/needy', guard: { scope: 'read', needs: [betaOnly] }, handle: () => 'in' },
  { path: '/any', guard: { anyKey: true }, handle: () => 'in' },
  { path: '/who', handle: (readCaller) => readCaller()?.owner ?? 'anonymous' },
  { path: '/open/who', guard: 'public', handle: (readCaller) => readCaller()?.owner ?? 'anonymous' },
  {
    path: '/refuses',
    handle() {
      throw new Refusal('not_found', 'no such model', { headers: { 'x-hint': 'sentiment' } })
    },
  },
  {
    path: '/refuses-by-a-copy',
    handle() {
      throw new OtherRefusal('not_found', 'no such model', { headers: { 'x-hint': 'sentiment' } })
    },
  },
  {
    path: '/fails-by-a-copy',
    handle() {
      throw new OtherFault('model_failed', cause, { cause: new Error(cause) })
    },
  },
  {
    path: '/fails',
    handle() {
      throw new Fault('model_failed', cause, { cause: new Error(cause) })
    },
  },
  {
    path: '/open/fails',
    guard: 'public',
    handle() {
      throw new Fault('model_timeout', cause)
    },
  },
  {
    path: '/open/refuses',
    guard: 'public',
    handle() {
      throw new Refusal('forbidden', 'closed on Sundays')
    },
  },
]
