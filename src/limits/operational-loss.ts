import type { Scheduler } from '../core/scheduler.ts'
import { withFailMode } from './fail-mode.ts'
import { createInProcessLimiter } from './in-process/in-process-limiter.ts'
import type { Limiter, LimitUse } from './limiter.ts'

export interface OperationalLossOptions {
  /** How many nodes are alive, itself among them. */
  readonly liveNodes: () => number
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
}

/**
 * A limiter under which operational requests are still counted while it is out: by each node, its
 * share. That limit bounds what a key may ask of the administrators' routes; nothing is sold by it,
 * and an operator must reach the keys when the limiter is lost. All other limits are as before.
 */
export function withOperationalShare(limiter: Limiter, options: OperationalLossOptions): Limiter {
  const { liveNodes, scheduler } = options
  const local = createInProcessLimiter({ ...(scheduler && { scheduler }) })
  const shared = withFailMode(limiter, {
    fail: { mode: 'share', local, nodes: liveNodes },
    // The limiter has deadlines of its own.
    deadlineMs: Number.POSITIVE_INFINITY,
  })
  const limiterOf = (uses: readonly LimitUse[]): Limiter => (uses.every(isOperational) ? shared : limiter)
  return {
    ...limiter,
    take: (uses) => limiterOf(uses).take(uses),
    peek: (uses) => limiterOf(uses).peek(uses),
    settle: (uses, at, costs) => limiterOf(uses).settle(uses, at, costs),
    reset: (uses) => limiterOf(uses).reset(uses),
    // Which closes the limiter too.
    close: shared.close,
  }
}

function isOperational({ scope }: LimitUse): boolean {
  return scope === 'operational'
}
