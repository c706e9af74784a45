import type { Scheduler } from '../core/scheduler.ts'
import type { EventOrigin, Telemetry } from '../telemetry/telemetry.ts'

/** Between two tries to settle what a limiter could not, in milliseconds. */
const againMs = 1_000

/**
 * Settles, now or, while the limiter is out, when it is back: what was reserved stays counted until
 * then, as long as the process lives. Never rejects.
 *
 * @returns whether it is settled now
 */
export async function settleWhenBack(
  deps: {
    readonly telemetry: Telemetry
    readonly scheduler: Scheduler
    readonly origin: EventOrigin
  },
  settle: () => void | Promise<void>,
): Promise<boolean> {
  try {
    await settle()
    return true
  } catch (fault) {
    const { telemetry, scheduler, origin } = deps
    telemetry.event('limiter.settle_failed', {}, fault, origin)
    scheduler.after(againMs, () => void settleWhenBack(deps, settle))
    return false
  }
}
