import type { Costs } from '../../limits/costs.ts'
import type { Usage } from '../../limits/usage.ts'
import type { CallDeps } from './call-deps.ts'

/** Between two tries to settle what a limiter could not, in milliseconds. */
const againMs = 1_000

/**
 * Puts what a call really used in the place of its reservation. While the limiter is out the
 * reservation stays counted, and is settled when it is back, as long as the process lives.
 */
export async function settle(
  { telemetry, scheduler }: Pick<CallDeps, 'telemetry' | 'scheduler'>,
  usage: Usage,
  costs: Costs,
): Promise<void> {
  try {
    await usage.settle(costs)
  } catch (fault) {
    telemetry.event('limiter.settle_failed', {}, fault)
    scheduler.after(againMs, () => void settle({ telemetry, scheduler }, usage, costs))
  }
}
